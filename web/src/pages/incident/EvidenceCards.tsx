// What the verdict rests on: charts first, one per series, each with its question, its window and a way to ask again.
import { useMutation } from '@tanstack/react-query'
import { api, asked } from '../../api/client'
import type { Again, Evidence, IncidentDetail } from '../../api/types'
import { useWords } from '../../i18n'
import { SeriesChart } from '../../ui/Chart'
import { Clock, Failed, Fold, Nothing } from '../../ui/parts'
import { type Group, groups } from './evidence'

// Before the window and after it, so that one sees what was normal and what became of it.
const BEFORE_MS = 120_000
const AFTER_MS = 60_000
// What one look takes in; the rest is one press away.
const CHARTS_MAX = 4

export function EvidenceCards({ incident }: { incident: IncidentDetail }) {
  const { t } = useWords()
  const all = groups(incident)
  if (all.length === 0) return <Nothing>{t('incident.noEvidence')}</Nothing>
  const charts = all.filter((group) => group.signal)
  const first = charts.length ? charts.slice(0, CHARTS_MAX) : all.slice(0, CHARTS_MAX)
  const rest = all.filter((group) => !first.includes(group))
  return (
    <>
      <Cards groups={first} incident={incident.id} />
      {rest.length > 0 && (
        <Fold title={t('incident.furtherEvidence', { n: rest.length })}>
          <Cards groups={rest} incident={incident.id} />
        </Fold>
      )}
    </>
  )
}

function Cards({ groups, incident }: { groups: Group[]; incident: string }) {
  return (
    <ul className="cards two-wide">
      {groups.map((group) => (
        <li key={group.key} className="card">
          <Card group={group} incident={incident} />
        </li>
      ))}
    </ul>
  )
}

function Card({ group, incident }: { group: Group; incident: string }) {
  const { t, name } = useWords()
  const [newest] = group.pieces
  return (
    <article>
      <header className="spread">
        <span className="muted small">
          {group.service} · {name('source', newest.source)}
        </span>
        {group.side && <span className={`badge tone-${group.side === 'for' ? 'good' : 'act'}`}>{t(`incident.${group.side}`)}</span>}
      </header>
      <p className="excerpt">{group.signal?.summary ?? newest.excerpt}</p>
      {group.signal?.metric && <GroupChart group={group} metric={group.signal.metric} />}
      {group.pieces.map((piece) => (
        <Piece key={piece.id} piece={piece} incident={incident} />
      ))}
      <Fold title={t('incident.query')}>
        <code className="query">{newest.query}</code>
      </Fold>
    </article>
  )
}

// One window of the question, and whether it is still answered so.
function Piece({ piece, incident }: { piece: Evidence; incident: string }) {
  const { t } = useWords()
  const again = useMutation({
    mutationFn: () => {
      const params = { path: { id: incident, evidence: piece.id } }
      return asked<Again>(api.GET('/api/v1/workflow/evidence/{id}/{evidence}', { params }))
    },
  })
  return (
    <>
      <div className="piece small">
        <span>
          <Clock at={piece.from} /> – <Clock at={piece.to} />
        </span>
        <code title={`${t('incident.digest')} ${piece.digest}`}>{piece.digest.slice(0, 8)}</code>
        {again.data && (
          <span role="status" className={`badge tone-${again.data.matches ? 'good' : again.data.whole ? 'act' : 'quiet'}`}>
            {t(again.data.matches ? 'incident.same' : again.data.whole ? 'incident.differs' : 'incident.partlyGone')}
          </span>
        )}
        <button type="button" className="plain" disabled={again.isPending} onClick={() => again.mutate()}>
          {t('incident.again')}
        </button>
      </div>
      <Failed error={again.error} />
    </>
  )
}

function GroupChart({ group, metric }: { group: Group; metric: string }) {
  const { signal, pieces } = group
  const shifted = (at: string, ms: number) => new Date(Date.parse(at) + ms).toISOString()
  const starts = [signal?.onset_at ?? pieces[0].from, ...pieces.map((piece) => piece.from)].sort()
  const ends = pieces.map((piece) => piece.to).sort()
  // A window that already shows what was before needs no more of it.
  const since = signal && starts[0] < signal.onset_at ? starts[0] : shifted(starts[0], -BEFORE_MS)
  return (
    <SeriesChart
      service={group.service}
      metric={metric}
      since={since}
      until={shifted(ends.at(-1) ?? starts[0], AFTER_MS)}
      bound={signal?.baseline?.bound}
      onset={signal?.onset_at}
    />
  )
}
