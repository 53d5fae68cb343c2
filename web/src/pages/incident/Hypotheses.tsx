// What else could be the cause, and what speaks for and against each.
import type { Evidence, Hypothesis, IncidentDetail } from '../../api/types'
import { useWords } from '../../i18n'
import { percent } from '../../ui/format'
import { Fold, Section } from '../../ui/parts'

const SHOWN_MAX = 2
const WORDS_MAX = 3

export function Hypotheses({ incident }: { incident: IncidentDetail }) {
  const { t } = useWords()
  const ranked = incident.verdict?.ranked ?? []
  if (ranked.length === 0) return null
  const known = [...(incident.verdict?.evidence ?? []), ...incident.signals.flatMap((signal) => signal.evidence ?? [])]
  const pieces = new Map(known.map((piece) => [piece.id, piece]))
  const [first, rest] = [ranked.slice(0, SHOWN_MAX), ranked.slice(SHOWN_MAX)]
  return (
    <Section title={t('incident.hypotheses')}>
      <List ranked={first} pieces={pieces} />
      {rest.length > 0 && (
        <Fold title={t('incident.furtherHypotheses', { n: rest.length })}>
          <List ranked={rest} pieces={pieces} />
        </Fold>
      )}
    </Section>
  )
}

type Pieces = Map<string, Evidence>

function List({ ranked, pieces }: { ranked: Hypothesis[]; pieces: Pieces }) {
  const { t, name } = useWords()
  return (
    <ol className="hypotheses">
      {ranked.map((one) => (
        <li key={`${one.cause} ${one.component}`}>
          <p>
            <strong>
              {one.component}: {name('cause', one.cause)}
            </strong>{' '}
            <span className="muted">{percent(one.confidence)}</span>
          </p>
          <ul>
            {one.reasons.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
          <Side title={t('incident.for')} ids={one.for} pieces={pieces} />
          <Side title={t('incident.against')} ids={one.against} pieces={pieces} />
        </li>
      ))}
    </ol>
  )
}

// What each side rests on, in the evidence's own words; of what says the same, one.
function Side({ title, ids, pieces }: { title: string; ids: string[]; pieces: Pieces }) {
  const { t } = useWords()
  const words = [...new Set(ids.map((id) => pieces.get(id)?.excerpt).filter((text) => text !== undefined))]
  if (words.length === 0) return <p className="muted">{`${title}: ${ids.length || t('incident.nothing')}`}</p>
  return (
    <div className="muted small">
      {title}:
      <ul>
        {words.slice(0, WORDS_MAX).map((text) => (
          <li key={text}>{text}</li>
        ))}
        {words.length > WORDS_MAX && <li>{t('incident.andMore', { n: words.length - WORDS_MAX })}</li>}
      </ul>
    </div>
  )
}
