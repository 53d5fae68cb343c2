// The way of something through the watch: its headline, then step by step.
import { Clock } from './parts'
import type { Way } from '../api/types'

export function WaySteps({ way }: { way: Way }) {
  return (
    <>
      <p className="lead">{way.headline}</p>
      <ol className="timeline">
        {way.steps.map((step, i) => (
          <li key={`${step.at} ${i}`}>
            <Clock at={step.at} />
            <span className="role">{step.step.replaceAll('_', ' ')}</span>
            <span>
              {step.detail} {step.signal && <code className="muted">{step.signal}</code>}
            </span>
          </li>
        ))}
      </ol>
    </>
  )
}
