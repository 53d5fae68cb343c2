// The run of a workflow: which one, and what it has done so far.
import { useQuery } from '@tanstack/react-query'
import { api, asked } from '../../api/client'
import type { IncidentDetail } from '../../api/types'
import { useWords } from '../../i18n'
import { Clock, Failed, Section } from '../../ui/parts'

interface RunStep {
  run: string
  at: string
  what: string
}

interface Run {
  workflow: { name: string; title?: string } | null
  workflow_steps: RunStep[]
}

export function WorkflowRun({ incident }: { incident: IncidentDetail }) {
  const { t } = useWords()
  const { data, error } = useQuery({
    queryKey: ['run', incident.id],
    queryFn: () => asked<Run>(api.GET('/api/v1/workflow/runs/{id}', { params: { path: { id: incident.id } } })),
    enabled: Boolean(incident.plan?.run),
    meta: { live: true },
  })
  if (!incident.plan?.run || (data && data.workflow_steps.length === 0)) return null
  return (
    <Section title={t('incident.workflow')}>
      <Failed error={error} />
      <p className="lead">{incident.plan.run.workflow.name}</p>
      <ol className="timeline two-columns">
        {(data?.workflow_steps ?? []).map((step, i) => (
          <li key={`${step.at} ${i}`}>
            <Clock at={step.at} />
            <span>{step.what}</span>
          </li>
        ))}
      </ol>
    </Section>
  )
}
