// What the watch reads and how that goes, and by which numbers it judges.
import { useQuery } from '@tanstack/react-query'
import { api, asked } from '../../api/client'
import type { View } from '../../api/types'
import { useWords } from '../../i18n'
import { duration } from '../../ui/format'
import { Fold, HealthBadge, Section, Table } from '../../ui/parts'

export type Config = Record<string, unknown>
type Fields = Record<string, unknown>

// How old what was read is grows by itself: nothing tells of it.
const LOOK_EVERY_MS = 5_000

interface Source {
  name: string
  where: string
  health: string
  says: string
}

const fields = (value: unknown): Fields => (value && typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : {})
const text = (value: unknown) => (value === null || value === undefined ? '' : String(value))

// Every source with what it brings, those that fail with their own words.
export function Sources({ view, config }: { view: View; config: Config }) {
  const { t } = useWords()
  const { health, graph } = view
  const [telemetry, logs, plane] = [fields(config.telemetry), fields(config.logs), fields(config.control_plane)]
  const { data: status } = useQuery({
    queryKey: ['status'],
    queryFn: () => asked<{ health: { samples: number; staleness_s: number | null } }>(api.GET('/api/v1/status')),
    refetchInterval: LOOK_EVERY_MS,
  })
  const since = status?.health.staleness_s
  const read = !status ? '' : since == null ? t('settings.neverRead') : t('settings.read', { n: status?.health.samples ?? 0, ago: duration(since * 1000) })
  const sources: Source[] = [
    { name: t('settings.telemetry'), where: [text(telemetry.kind), text(telemetry.url ?? telemetry.service_discovery)].filter(Boolean).join(' · '), health: telemetry.kind === 'none' ? 'unknown' : health.stale ? 'stale' : 'normal', says: telemetry.kind === 'none' ? t('settings.noTelemetry') : read },
    ...(['kubernetes', 'aws'] as const).filter((name) => config[name]).map((name) => ({ name, where: text(fields(config[name]).context ?? fields(config[name]).region), health: 'unknown', says: '' })),
  ]
  if (logs.dir) sources.push({ name: t('settings.logs'), where: text(logs.dir), health: 'normal', says: '' })
  if (plane.kind && plane.kind !== 'none') sources.push({ name: t('settings.plane'), where: [text(plane.kind), text(plane.url)].filter(Boolean).join(' · '), health: 'normal', says: '' })
  const failing = health.sources_failing.map((line, i) => ({ name: `${t('settings.failing')} ${i + 1}`, where: '', health: 'abnormal', says: line }))
  const receivers = health.receivers_failing.map((line, i) => ({ name: `${t('settings.receivers')} ${i + 1}`, where: '', health: 'abnormal', says: line }))
  // What fails is told by its own row; a source that one of those names is not called well beside it.
  const named = sources.map((source) => ({ ...source, health: source.health === 'normal' && source.where && health.sources_failing.some((line) => line.includes(source.where.split(' · ').at(-1) ?? '')) ? 'abnormal' : source.health }))
  const silent = graph.nodes.filter((node) => node.health === 'stale' || node.health === 'unknown').map((node) => node.service)
  const services = { name: t('settings.perService'), where: t('settings.services', { n: graph.nodes.length - silent.length, of: graph.nodes.length }), health: silent.length ? 'stale' : graph.nodes.length ? 'normal' : 'unknown', says: silent.length ? t('settings.silent', { list: silent.join(', ') }) : '' }
  return (
    <Section title={t('settings.health')}>
      <p>
        {health.warm_up_ticks_left > 0 ? t('watch.warmup', { n: health.warm_up_ticks_left }) : t('settings.warm')}
        {health.last_error && <span className="bad"> {`${t('settings.error')}: ${health.last_error}`}</span>}
      </p>
      <Table
        label={t('settings.health')}
        rows={[...named, services, ...failing, ...receivers]}
        id={(row) => row.name}
        empty=""
        columns={[
          { head: t('col.source'), cell: (row) => row.name },
          { head: t('col.health'), cell: (row) => <HealthBadge health={row.health} /> },
          { head: t('settings.where'), cell: (row) => <span className="mono-wrap">{row.where}</span>, wide: true },
          { head: t('settings.says'), cell: (row) => row.says },
        ]}
      />
    </Section>
  )
}

// The sections by which it is judged whether something is wrong, and whether something may be done.
const JUDGING = ['detection', 'decision', 'incident', 'foresight', 'dedup', 'flapping'] as const

// A nested table of the configuration as lines, each named as the file names it.
function lines(value: unknown, name = ''): [string, string][] {
  if (value === null || value === undefined) return []
  if (Array.isArray(value)) return value.every((one) => typeof one !== 'object') ? [[name, value.join(', ') || '–']] : []
  if (typeof value === 'object') return Object.entries(value).flatMap(([field, inner]) => lines(inner, name ? `${name}.${field}` : field))
  return [[name, String(value)]]
}

export function Thresholds({ config }: { config: Config }) {
  const { t } = useWords()
  return (
    <Section title={t('settings.thresholds')}>
      <p className="muted">{t('settings.thresholdsHint')}</p>
      {JUDGING.map((section) => {
        const all = lines(config[section])
        if (all.length === 0) return null
        return (
          <Fold key={section} title={`[${section}]`}>
            <dl className="facts numbers card">
              {all.map(([name, value]) => (
                <div key={name}>
                  <dt className="mono">{name}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </Fold>
        )
      })}
    </Section>
  )
}
