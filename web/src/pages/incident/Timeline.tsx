// What happened, entry by entry; the last of it first seen.
import { useState } from 'react'
import type { IncidentDetail } from '../../api/types'
import { useWords } from '../../i18n'
import { Clock, Fold, Section } from '../../ui/parts'

const SHOWN_MAX = 8

type Row = IncidentDetail['timeline'][number]

export function Timeline({ incident }: { incident: IncidentDetail }) {
  const { t, name } = useWords()
  const [role, setRole] = useState('')
  const roles = [...new Set(incident.timeline.map((row) => row.role))]
  const rows = incident.timeline.filter((row) => !role || row.role === role)
  const earlier = rows.slice(0, -SHOWN_MAX)
  return (
    <Section
      title={t('incident.timeline')}
      aside={
        <select value={role} aria-label={t('incident.allRoles')} onChange={(event) => setRole(event.target.value)}>
          <option value="">{t('incident.allRoles')}</option>
          {roles.map((one) => (
            <option key={one} value={one}>
              {name('role', one)}
            </option>
          ))}
        </select>
      }
    >
      {earlier.length > 0 && (
        <Fold title={t('incident.earlier', { n: earlier.length })}>
          <Entries rows={earlier} />
        </Fold>
      )}
      <Entries rows={rows.slice(-SHOWN_MAX)} />
    </Section>
  )
}

function Entries({ rows }: { rows: Row[] }) {
  const { name } = useWords()
  return (
    <ol className="timeline">
      {rows.map((row, i) => (
        <li key={`${row.at} ${i}`}>
          <Clock at={row.at} />
          <span className="role">{name('role', row.role)}</span>
          <span>{row.what}</span>
        </li>
      ))}
    </ol>
  )
}
