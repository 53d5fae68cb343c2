// Everything that is on record, for whoever wants to know exactly: the way of each signal, artifacts as they are, and what
// language models cost.
import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { api, asked } from '../../api/client'
import type { IncidentDetail, Way } from '../../api/types'
import { useWords } from '../../i18n'
import { Failed, Section } from '../../ui/parts'
import { WaySteps } from '../../ui/Way'

interface Artifact {
  id: string
  kind: string
}

export function Record({ incident }: { incident: IncidentDetail }) {
  const { t } = useWords()
  const { model_use: use } = incident
  return (
    <Section title={t('record.title')}>
      {use && <p>{t('record.models', { calls: use.calls, tokens: use.tokens, cost: use.cost.toFixed(4) })}</p>}
      <Later title={t('record.lineage')}>
        <Lineage id={incident.id} />
      </Later>
      <Later title={t('record.artifacts')}>
        <Artifacts id={incident.id} />
      </Later>
    </Section>
  )
}

// Is asked for only when somebody looks.
function Later({ title, children }: { title: string; children: ReactNode }) {
  const [open, setOpen] = useState(false)
  return (
    <details className="fold" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      {open && children}
    </details>
  )
}

function Lineage({ id }: { id: string }) {
  const { data, error } = useQuery({
    queryKey: ['lineage', id],
    queryFn: () => asked<Way>(api.GET('/api/v1/incidents/{id}/lineage', { params: { path: { id } } })),
  })
  if (!data) return <Failed error={error} />
  return <WaySteps way={data} />
}

function Artifacts({ id }: { id: string }) {
  const { data, error } = useQuery({
    queryKey: ['artifacts', id],
    queryFn: () => asked<{ artifacts: Artifact[] }>(api.GET('/api/v1/workflow/runs/{id}', { params: { path: { id } } })),
  })
  if (!data) return <Failed error={error} />
  return data.artifacts.map((artifact) => (
    <details key={artifact.id} className="fold">
      <summary>
        {artifact.kind.replaceAll('_', ' ')} <code>{artifact.id}</code>
      </summary>
      <pre tabIndex={0}>{JSON.stringify(artifact, null, 2)}</pre>
    </details>
  ))
}
