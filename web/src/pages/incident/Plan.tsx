// What would change, step by step, with what takes each step back; and what was done.
import type { ActionRow, IncidentDetail, PlanStep } from '../../api/types'
import { useWords, type Words } from '../../i18n'
import { Clock, Fold, Nothing } from '../../ui/parts'

type Fields = Record<string, unknown>

// An action in one line: its kind and what it sets.
export function actionText(action: Fields, word: Words['name']): string {
  const { kind, target, ...rest } = action
  const shown = Object.entries(rest).filter(([, value]) => value !== null && value !== undefined && value !== false)
  const set = shown.map(([name, value]) => `${name.replaceAll('_', ' ')} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
  return `${word('action', String(kind))} ${String(target)}${set.length ? ` (${set.join(', ')})` : ''}`
}

// Steps that one sees at once: the one that is due, and what comes if that does not help.
const STEPS_MAX = 2

export function PlanSteps({ incident }: { incident: IncidentDetail }) {
  const { t, name } = useWords()
  if (!incident.plan) return <Nothing>{t('incident.noPlan')}</Nothing>
  const gate = incident.gate
  const now = incident.waiting?.step ?? gate?.step
  const { steps } = incident.plan
  // What was passed over is in the timeline.
  const from = Math.min(now ?? 0, Math.max(0, steps.length - 1))
  const [shown, later] = [steps.slice(from, from + STEPS_MAX), steps.slice(from + STEPS_MAX)]
  return (
    <>
      <Steps steps={shown} from={from} now={now} />
      {later.length > 0 && (
        <Fold title={t('incident.furtherSteps', { n: later.length })}>
          <Steps steps={later} from={from + shown.length} now={now} />
        </Fold>
      )}
      {gate && (
        <div className="gate">
          <p>
            <strong>{t('incident.gate')}:</strong> {gate.because}
          </p>
          <ul>
            {gate.guards
              .filter((guard) => !guard.passed)
              .map((guard) => (
                <li key={guard.guard}>
                  {name('guard', guard.guard)}: {guard.reason}
                </li>
              ))}
          </ul>
        </div>
      )}
      {incident.plan_hash && (
        <p className="muted small">
          {t('incident.hash')} <code title={incident.plan_hash}>{incident.plan_hash.slice(0, 12)}</code>
        </p>
      )}
    </>
  )
}

function Steps({ steps, from, now }: { steps: PlanStep[]; from: number; now?: number }) {
  const { t, name } = useWords()
  return (
    <ol className="plan">
      {steps.map((step, i) => (
        <li key={from + i} className={from + i === now ? 'current' : undefined} aria-current={from + i === now ? 'step' : undefined}>
          <p className="diff do">
            {from + i + 1}. {actionText(step.action as Fields, name)}
          </p>
          <p className="diff undo">↺ {step.undo ? actionText(step.undo as Fields, name) : t('incident.noUndo')}</p>
          <p>
            {step.rationale} <span className="muted">{`${t('incident.expected')}: ${step.expected_outcome}`}</span>
          </p>
          <p className="muted small">
            {name('priority', step.priority)} · {name('class', step.safety_class)} · {step.owner}
          </p>
        </li>
      ))}
    </ol>
  )
}

export function outcomeText(outcome: unknown, word: Words['name']): string {
  if (!outcome || typeof outcome !== 'object') return word('outcome', 'unknown')
  const fields = outcome as Fields
  const kind = 'outcome' in fields ? String(fields.outcome) : String(Object.keys(fields)[0] ?? '')
  const inner = kind in fields && typeof fields[kind] === 'object' ? (fields[kind] as Fields) : fields
  const detail = inner.detail ?? inner.reason
  return `${word('outcome', kind)}${detail ? `: ${String(detail)}` : ''}`
}

export function Actions({ actions }: { actions: ActionRow[] }) {
  const { name } = useWords()
  return (
    <ul className="plain-list">
      {actions.map((one) => (
        <li key={one.key}>
          <Clock at={one.intended_at} /> <strong>{actionText(one.action as Fields, name)}</strong>{' '}
          <span className="muted">{one.by}</span> · {outcomeText(one.outcome, name)}
        </li>
      ))}
    </ul>
  )
}
