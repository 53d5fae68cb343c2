// One incident: the verdict first, then what it rests on, what would be or was done, and how to undo it.
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { api, asked } from '../api/client'
import { useLive } from '../api/live'
import type { IncidentDetail } from '../api/types'
import { useWords } from '../i18n'
import { duration, percent } from '../ui/format'
import { ServiceGraph } from '../ui/Graph'
import { Clock, Failed, Page, Section, StateBadge } from '../ui/parts'
import { Decision } from './incident/Decision'
import { EvidenceCards } from './incident/EvidenceCards'
import { Handling, Standing } from './incident/Handling'
import { Hypotheses } from './incident/Hypotheses'
import { Actions, PlanSteps } from './incident/Plan'
import { Postmortem } from './incident/Postmortem'
import { Record } from './incident/Record'
import { Timeline } from './incident/Timeline'
import { WorkflowRun } from './incident/WorkflowRun'

const route = getRouteApi('/incidents/$id')

export function incidentQuery(id: string) {
  return {
    queryKey: ['incident', id],
    queryFn: () => asked<IncidentDetail>(api.GET('/api/v1/incidents/{id}', { params: { path: { id } } })),
    meta: { live: true },
  }
}

export function Incident() {
  const { id } = route.useParams()
  const { t } = useWords()
  const { data: incident, error } = useQuery(incidentQuery(id))
  if (error) return <Page title={id}><Failed error={error} /></Page>
  if (!incident) return <Page title={id}>{null}</Page>
  return (
    <Page
      title={id}
      actions={
        <>
          <StateBadge state={incident.state} />
          <Clock at={incident.opened_at} />
          <Link to="/incidents/$id/replay" params={{ id }} className="button">
            {t('incident.replay')}
          </Link>
        </>
      }
    >
      <Standing incident={incident} />
      <VerdictCard incident={incident} />
      <Decision incident={id} waiting={incident.waiting} alone />
      <Handling incident={incident} />
      <Section title={t('incident.evidence')}>
        <EvidenceCards incident={incident} />
      </Section>
      <Section title={t('incident.plan')}>
        <PlanSteps incident={incident} />
      </Section>
      <WorkflowRun incident={incident} />
      {incident.actions.length > 0 && (
        <Section title={t('incident.actions')}>
          <Actions actions={incident.actions} />
          <Readings readings={incident.readings} />
        </Section>
      )}
      <Blast incident={incident} />
      <Hypotheses incident={incident} />
      <Timeline incident={incident} />
      <Section title={t('incident.postmortem')}>
        <Postmortem incident={incident} />
      </Section>
      <Record incident={incident} />
    </Page>
  )
}

function VerdictCard({ incident }: { incident: IncidentDetail }) {
  const { t, name } = useWords()
  const root = incident.verdict?.ranked[0]
  const conclusive = root && root.confidence >= 0.5
  return (
    <section className="verdict" aria-label={t('incident.verdict')}>
      <p className="sentence">{incident.verdict ? incident.summary : t('incident.noVerdict')}</p>
      <dl className="facts">
        <div>
          <dt>{t('incident.component')}</dt>
          <dd>{incident.component}</dd>
        </div>
        {root && (
          <div>
            <dt>{t('incident.cause')}</dt>
            <dd>
              {conclusive ? name('cause', root.cause) : t('incident.inconclusive')}{' '}
              <span className="muted">{t('incident.confidence', { percent: percent(root.confidence) })}</span>
            </dd>
          </div>
        )}
        {incident.verification && (
          <div>
            <dt>{t('incident.verification')}</dt>
            <dd>
              {name('verification', incident.verification)}
              {incident.mttr_ms != null && <span className="muted"> · {t('incident.mttr', { time: duration(incident.mttr_ms) })}</span>}
            </dd>
          </div>
        )}
        {!conclusive && incident.verdict?.next_query && (
          <div>
            <dt>{t('incident.next')}</dt>
            <dd className="mono">{incident.verdict.next_query}</dd>
          </div>
        )}
        {incident.escalated && (
          <div>
            <dt>{t('state.escalated')}</dt>
            <dd>{incident.escalated}</dd>
          </div>
        )}
      </dl>
      {incident.would_have_acted && <p className="muted">{t('incident.dry')}</p>}
    </section>
  )
}

// Whether it helped, look by look, as they come.
function Readings({ readings }: { readings: IncidentDetail['readings'] }) {
  const { t } = useWords()
  const newest = readings.at(-1)
  if (!newest) return null
  const words = (normal: boolean | null | undefined) => t(normal == null ? 'health.unknown' : normal ? 'health.normal' : 'health.abnormal')
  return (
    <div className="stack">
      <p>
        <strong>{t('incident.readings')}:</strong> <Clock at={newest.at} /> {words(newest.normal)}: {newest.detail}
      </p>
      <ol className="looks" aria-label={t('incident.readings')}>
        {readings.map((reading) => (
          <li key={reading.at} className={reading.normal == null ? undefined : reading.normal ? 'good' : 'bad'} title={reading.detail} aria-label={words(reading.normal)} />
        ))}
      </ol>
    </div>
  )
}

function Blast({ incident }: { incident: IncidentDetail }) {
  const { t } = useWords()
  const { view } = useLive()
  const blast = incident.verdict?.blast_radius
  if (!blast || !view) return null
  const [affected, atRisk] = [new Set(blast.affected), new Set(blast.at_risk)]
  const near = new Set([...affected, ...atRisk])
  const graph = {
    nodes: view.graph.nodes.filter((node) => near.has(node.service)),
    edges: view.graph.edges.filter((edge) => near.has(edge.from) && near.has(edge.to)),
  }
  return (
    <Section title={t('incident.blast')}>
      <p>
        <strong>{t('incident.affected')}:</strong> {blast.affected.join(', ') || '–'} · <strong>{t('incident.atRisk')}:</strong>{' '}
        {blast.at_risk.join(', ') || '–'}
      </p>
      {graph.nodes.length > 0 && <ServiceGraph graph={graph} marks={{ affected, atRisk }} label={t('incident.blast')} />}
    </Section>
  )
}
