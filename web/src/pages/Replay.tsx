// An incident as it went, entry by entry: what was known when.
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { useWords } from '../i18n'
import { SeriesChart } from '../ui/Chart'
import { Clock, Failed, IncidentLink, Page } from '../ui/parts'
import { incidentQuery } from './Incident'

const route = getRouteApi('/incidents/$id/replay')
const BEFORE_MS = 120_000

export function Replay() {
  const { id } = route.useParams()
  const { t, name } = useWords()
  const { data: incident, error } = useQuery(incidentQuery(id))
  const [at, setAt] = useState(0)
  const rows = incident?.timeline ?? []
  const now = rows[Math.min(at, rows.length - 1)]
  const shown = (incident?.signals ?? []).filter((signal) => signal.metric && now && signal.onset_at <= now.at)
  return (
    <Page title={t('replay.title')} actions={<IncidentLink id={id} />}>
      <Failed error={error} />
      {now && (
        <>
          <label className="scrub">
            {t('replay.at', { n: Math.min(at + 1, rows.length), of: rows.length })} <Clock at={now.at} />
            <input type="range" min={0} max={rows.length - 1} value={at} onChange={(event) => setAt(Number(event.target.value))} aria-valuetext={now.what} />
          </label>
          <p className="sentence">{now.what}</p>
          <div className="charts">
            {shown.map((signal) => (
              <SeriesChart
                key={signal.id}
                service={signal.service}
                metric={signal.metric ?? ''}
                since={new Date(Date.parse(signal.onset_at) - BEFORE_MS).toISOString()}
                until={now.at}
                bound={signal.baseline?.bound}
                onset={signal.onset_at}
              />
            ))}
          </div>
          <ol className="timeline">
            {rows.slice(0, at + 1).map((row, i) => (
              <li key={`${row.at} ${i}`}>
                <Clock at={row.at} />
                <span className="role">{name('role', row.role)}</span>
                <span>{row.what}</span>
              </li>
            ))}
          </ol>
        </>
      )}
    </Page>
  )
}
