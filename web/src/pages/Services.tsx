import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { api, asked } from '../api/client'
import { useMay } from '../api/session'
import type { MetricState, ServiceRow } from '../api/types'
import { useWords } from '../i18n'
import { SeriesChart } from '../ui/Chart'
import { metricName, metricValue } from '../ui/format'
import { Ask, Field } from '../ui/Form'
import { Failed, HealthBadge, Page, Section, Table } from '../ui/parts'

const route = getRouteApi('/services')
const SHOWN = ['latency_p99', 'error_rate', 'request_rate', 'cpu', 'memory']
const CHART_MS = 15 * 60_000

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
  const { t } = useWords()
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
      <Table
        label={t('services.title')}
        rows={rows}
        id={(row) => row.registration.name}
        empty={data ? t('services.none') : ''}
        columns={[
          {
            head: t('col.service'),
            cell: ({ registration }) => (
              <Link to="/services" search={{ name: registration.name }}>
                {registration.name}
              </Link>
            ),
          },
          { head: t('col.health'), cell: (row) => <HealthBadge health={healthOf(row)} /> },
          ...SHOWN.map((metric, i) => ({
            head: metricName(metric),
            cell: (row: ServiceRow) => <Cell name={metric} metric={row.metrics[metric]} />,
            wide: i > 1,
          })),
          { head: t('col.owner'), cell: ({ registration }) => registration.owner ?? '–', wide: true },
        ]}
      />
      {chosen && <OneService row={chosen} />}
    </Page>
  )
}

function OneService({ row }: { row: ServiceRow }) {
  const { t } = useWords()
  const { name, depends_on, consumes_from } = row.registration
  // Whole half-minutes, so that a chart is asked for again only then.
  const until = Math.floor(Date.now() / 30_000) * 30_000
  const window = { since: new Date(until - CHART_MS).toISOString(), until: new Date(until).toISOString() }
  return (
    <Section
      title={name}
      aside={
        <Link to="/incidents" search={{ service: name }}>
          {t('nav.incidents')}
        </Link>
      }
    >
      <p>
        {t('services.calls')}: {[...depends_on, ...consumes_from].join(', ') || '–'}
      </p>
      <div className="charts">
        {Object.entries(row.metrics).map(([metric, state]) => (
          <SeriesChart key={metric} service={name} metric={metric} {...window} bound={state.normal_up_to ?? undefined} />
        ))}
      </div>
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
