import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { api, asked } from '../api/client'
import { useLive } from '../api/live'
import { useMay } from '../api/session'
import type { Graph, IncidentPage, MetricState, ServiceRow } from '../api/types'
import { useWords } from '../i18n'
import { SeriesChart } from '../ui/Chart'
import { Ask, Field } from '../ui/Form'
import { metricValue } from '../ui/format'
import { ServiceGraph } from '../ui/Graph'
import { Failed, HealthBadge, Nothing, Page, Section, Table } from '../ui/parts'
import { Rows } from './Watch'

const route = getRouteApi('/services')
const SHOWN = ['latency_p99', 'error_rate', 'request_rate', 'cpu', 'memory']
const CHART_MS = 15 * 60_000
// Incidents of a service that one look shows.
const RECENT_MAX = 5

function healthOf(row: ServiceRow): string {
  const all = Object.values(row.metrics)
  if (all.length === 0) return 'unknown'
  if (all.every((metric) => metric.stale)) return 'stale'
  return all.some((metric) => metric.suspicious) ? 'abnormal' : 'normal'
}

function Cell({ name, metric }: { name: string; metric: MetricState | undefined }) {
  if (!metric) return <span className="muted">–</span>
  return <span className={metric.suspicious ? 'mono bad' : 'mono'}>{metricValue(name, metric.value)}</span>
}

export function Services() {
  const { t, name: word } = useWords()
  const { name } = route.useSearch()
  const may = useMay('admin')
  const { data, error } = useQuery({
    queryKey: ['services'],
    queryFn: () => asked<{ services: ServiceRow[] }>(api.GET('/api/v1/services')),
    meta: { live: true },
  })
  const rows = data?.services ?? []
  const chosen = rows.find((row) => row.registration.name === name)
  return (
    <Page title={t('services.title')} actions={may && <Register />}>
      <Failed error={error} />
      {chosen && <OneService key={name} row={chosen} />}
      <Table
        label={t('services.title')}
        rows={rows}
        id={(row) => row.registration.name}
        empty={data ? t('services.none') : ''}
        columns={[
          { head: t('col.service'), cell: ({ registration }) => <To name={registration.name} /> },
          { head: t('col.health'), cell: (row) => <HealthBadge health={healthOf(row)} /> },
          ...SHOWN.map((metric, i) => ({
            head: word('metric', metric),
            cell: (row: ServiceRow) => <Cell name={metric} metric={row.metrics[metric]} />,
            wide: i > 1,
          })),
          { head: t('col.owner'), cell: ({ registration }) => registration.owner ?? '–', wide: true },
        ]}
      />
    </Page>
  )
}

function To({ name }: { name: string }) {
  return (
    <Link to="/services" search={{ name }}>
      {name}
    </Link>
  )
}

// One service: who answers for it, what was promised, who it lives with, how it does and what happened to it.
function OneService({ row }: { row: ServiceRow }) {
  const { t } = useWords()
  const { view } = useLive()
  const { name } = row.registration
  // Whole half-minutes, so that a chart is asked for again only then.
  const until = Math.floor(Date.now() / 30_000) * 30_000
  const window = { since: new Date(until - CHART_MS).toISOString(), until: new Date(until).toISOString() }
  const near = view ? neighbours(view.graph, name) : null
  return (
    <Section
      title={name}
      aside={
        <Link to="/services" search={{}}>
          {t('form.close')}
        </Link>
      }
    >
      <Facts row={row} graph={view?.graph} />
      {near && near.edges.length > 0 && <ServiceGraph graph={near} label={t('services.neighbours')} />}
      <Recent service={name} />
      <div className="charts">
        {Object.entries(row.metrics).map(([metric, state]) => (
          <SeriesChart key={metric} service={name} metric={metric} {...window} bound={state.normal_up_to ?? undefined} />
        ))}
      </div>
    </Section>
  )
}

function neighbours(graph: Graph, name: string): Graph {
  const edges = graph.edges.filter((edge) => edge.from === name || edge.to === name)
  const near = new Set([name, ...edges.flatMap((edge) => [edge.from, edge.to])])
  return { nodes: graph.nodes.filter((node) => near.has(node.service)), edges }
}

function Facts({ row, graph }: { row: ServiceRow; graph: Graph | undefined }) {
  const { t } = useWords()
  const { name, owner, namespace, health, depends_on, consumes_from } = row.registration
  const { facts } = row
  const [calls, events] = ['calls', 'consumes'].map((kind) => (graph?.edges ?? []).filter((edge) => edge.to === name && edge.kind === kind).map((edge) => edge.from))
  const all: [string, string[] | string | null | undefined][] = [
    [t('col.owner'), owner ?? facts?.team],
    [t('services.onCall'), facts?.on_call],
    [t('services.slo'), facts?.sla ?? t('services.noSlo')],
    [t('services.namespace'), namespace],
    [t('services.health'), health],
    [t('services.calls'), depends_on],
    [t('services.consumes'), consumes_from],
    [t('services.calledBy'), calls],
    [t('services.consumedBy'), events],
  ]
  return (
    <dl className="facts card">
      {all
        .filter(([, value]) => value && value.length > 0)
        .map(([title, value]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>{Array.isArray(value) ? value.map((one, i) => <span key={one}>{i > 0 && ', '}<To name={one} /></span>) : value}</dd>
          </div>
        ))}
    </dl>
  )
}

function Recent({ service }: { service: string }) {
  const { t } = useWords()
  const { data, error } = useQuery({
    queryKey: ['incidents', 'of', service],
    queryFn: () => asked<IncidentPage>(api.GET('/api/v1/incidents', { params: { query: { service, limit: RECENT_MAX } } })),
    meta: { live: true },
  })
  return (
    <Section
      title={t('services.recent')}
      aside={
        <Link to="/incidents" search={{ service }}>
          {t('services.allIncidents')}
        </Link>
      }
    >
      <Failed error={error} />
      {data && (data.incidents.length === 0 ? <Nothing>{t('services.noIncidents')}</Nothing> : <Rows incidents={data.incidents} />)}
    </Section>
  )
}

const list = (text: string) => text.split(/[\s,]+/).filter(Boolean)

export function Register() {
  const { t } = useWords()
  return (
    <Ask
      title={t('services.register')}
      renews={[['services']]}
      run={({ text }) => {
        const body = {
          name: text('name'),
          health: text('health') || null,
          depends_on: list(text('depends_on')),
          consumes_from: list(text('consumes_from')),
          owner: text('owner') || null,
          namespace: text('namespace') || null,
        }
        return asked(api.POST('/api/v1/services', { body }))
      }}
    >
      <p>{t('services.registerHint')}</p>
      <Field label={t('services.name')} name="name" required />
      <Field label={t('services.health')} name="health" type="url" placeholder="http://" />
      <Field label={t('services.dependsOn')} name="depends_on" />
      <Field label={t('services.consumesFrom')} name="consumes_from" />
      <Field label={t('col.owner')} name="owner" />
      <Field label={t('services.namespace')} name="namespace" />
    </Ask>
  )
}
