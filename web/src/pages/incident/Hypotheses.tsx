// What else could be the cause, and what speaks for and against each.
import type { Hypothesis, IncidentDetail } from '../../api/types'
import { useWords } from '../../i18n'
import { causeName, percent } from '../../ui/format'
import { Fold, Section } from '../../ui/parts'

const SHOWN_MAX = 2

export function Hypotheses({ incident }: { incident: IncidentDetail }) {
  const { t } = useWords()
  const ranked = incident.verdict?.ranked ?? []
  if (ranked.length === 0) return null
  const [first, rest] = [ranked.slice(0, SHOWN_MAX), ranked.slice(SHOWN_MAX)]
  return (
    <Section title={t('incident.hypotheses')}>
      <List ranked={first} />
      {rest.length > 0 && (
        <Fold title={t('incident.furtherHypotheses', { n: rest.length })}>
          <List ranked={rest} />
        </Fold>
      )}
    </Section>
  )
}

function List({ ranked }: { ranked: Hypothesis[] }) {
  const { t } = useWords()
  return (
    <ol className="hypotheses">
      {ranked.map((one) => (
        <li key={`${one.cause} ${one.component}`}>
          <p>
            <strong>
              {one.component}: {causeName(one.cause)}
            </strong>{' '}
            <span className="muted">{percent(one.confidence)}</span>
          </p>
          <ul>
            {one.reasons.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
          <p className="muted">
            {t('incident.for')}: {one.for.length} · {t('incident.against')}: {one.against.length}
          </p>
        </li>
      ))}
    </ol>
  )
}
