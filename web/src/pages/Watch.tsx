// Home: what needs me now, then what is open, then how everything is.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { api, asked } from '../api/client'
import { useLive } from '../api/live'
import type { Change, GraphNode, IncidentSummary, View } from '../api/types'
import { useWords } from '../i18n'
import { percent } from '../ui/format'
import { type Marks, ServiceGraph } from '../ui/Graph'
import { Ago, Nothing, Page, Section, StateBadge } from '../ui/parts'
import { Decision } from './incident/Decision'
import { Welcome } from './Welcome'

export const changesQuery = {
  queryKey: ['changes'],
  queryFn: () => asked<{ changes: Change[] }>(api.GET('/api/v1/changes', { params: { query: { limit: 20 } } })),
  meta: { live: true },
}

// Changes that the graph shows: the last ones.
const MARKED_MAX = 6
const OVER = new Set(['resolved', 'closed', 'false_alarm'])

export function Watch() {
  const { t } = useWords()
  const { view } = useLive()
  const { data: changes } = useQuery(changesQuery)
  const marks = useMemo(() => (view ? marksOf(view, changes?.changes ?? []) : undefined), [view, changes])
  if (!view) return <Page title={t('watch.title')}>{null}</Page>
  if (view.graph.nodes.length === 0 && view.incidents.length === 0) return <Welcome />
  const open = openOf(view)
  return (
    <Page title={t('watch.title')}>
      <Troubles health={view.health} />
      <Needs view={view} />
      <Section title={t('watch.open')}>
        {open.length === 0 ? <Nothing>{t('watch.noOpen')}</Nothing> : <Rows incidents={open} />}
        {view.more > 0 && (
          <Link to="/incidents" search={{ open: true }}>
            {t('watch.more', { n: view.more })}
          </Link>
        )}
      </Section>
      <Section title={t('watch.graph')}>
        <ServiceGraph graph={view.graph} marks={marks} label={t('watch.graph')} />
      </Section>
      <div className="two">
        <Foreseen nodes={view.graph.nodes} />
        <Section title={t('watch.changes')}>
          <Changes changes={changes?.changes ?? []} />
        </Section>
      </div>
    </Page>
  )
}

function Troubles({ health }: { health: View['health'] }) {
  const { t } = useWords()
  const lines = [
    health.warm_up_ticks_left > 0 && t('watch.warmup', { n: health.warm_up_ticks_left }),
    health.sources_failing.length > 0 && t('watch.sources', { list: health.sources_failing.join('; ') }),
    health.receivers_failing.length > 0 && t('watch.receivers', { list: health.receivers_failing.join('; ') }),
    health.last_error,
  ].filter(Boolean)
  return lines.map((line) => (
    <p key={String(line)} className="trouble">
      {line}
    </p>
  ))
}

const openOf = (view: View) => view.incidents.filter((incident) => !OVER.has(incident.state))

function marksOf(view: View, changes: Change[]): Marks {
  return {
    affected: new Set(openOf(view).map((incident) => incident.component)),
    changed: new Set(changes.slice(0, MARKED_MAX).map((change) => change.service)),
    path: cascade(view),
  }
}

// The way that a failure will probably take: only where one is foreseen, and only as far as it is.
function cascade(view: View): string[] | undefined {
  const isForeseen = view.graph.nodes.some((node) => node.forecast?.alarm)
  const path = view.prediction?.path ?? []
  return isForeseen && path.length > 1 ? path.map((step) => step.service) : undefined
}

// Green says that somebody looks: not while it is still learnt what is normal, and not blindly.
function isWell(health: View['health']): boolean {
  return health.warm_up_ticks_left === 0 && !health.stale && health.sources_failing.length === 0 && health.receivers_failing.length === 0 && !health.last_error
}

function Needs({ view }: { view: View }) {
  const { t } = useWords()
  const escalated = view.incidents.filter((one) => one.state === 'escalated')
  if (view.approvals.length + escalated.length === 0) {
    return <p className={isWell(view.health) ? 'calm' : 'calm unsure'}>{t('watch.calm', { n: view.graph.nodes.length })}</p>
  }
  return (
    <Section title={t('watch.needs')}>
      <ul className="cards">
        {view.approvals.map((one) => (
          <li key={one.incident} className="card act">
            <p>{one.verdict}</p>
            <Decision incident={one.incident} waiting={one} />
            <ReviewLink incident={one.incident} />
          </li>
        ))}
        {escalated.map((one) => (
          <li key={one.id} className="card act">
            <p className="lead">{t('watch.escalated', { component: one.component })}</p>
            <p>{one.summary}</p>
            <ReviewLink incident={one.id} />
          </li>
        ))}
      </ul>
    </Section>
  )
}

function ReviewLink({ incident }: { incident: string }) {
  const { t } = useWords()
  return (
    <Link to="/incidents/$id" params={{ id: incident }} hash="decision" className="button">
      {t('watch.review')}
    </Link>
  )
}

export function Rows({ incidents }: { incidents: IncidentSummary[] }) {
  const { name } = useWords()
  return (
    <ul className="rows">
      {incidents.map((one) => (
        <li key={one.id}>
          <Link to="/incidents/$id" params={{ id: one.id }}>
            <StateBadge state={one.state} />
            <span className="what">
              <strong>{one.component}</strong>
              {one.cause && <span className="muted"> {name('cause', one.cause)}</span>}
              <span className="summary">{one.summary}</span>
            </span>
            <Ago at={one.opened_at} />
          </Link>
        </li>
      ))}
    </ul>
  )
}

function Foreseen({ nodes }: { nodes: GraphNode[] }) {
  const { t } = useWords()
  const alarms = nodes.filter((node) => node.forecast?.alarm)
  return (
    <Section title={t('watch.foreseen')}>
      {alarms.length === 0 && <Nothing>{t('watch.noForeseen')}</Nothing>}
      <ul className="plain-list">
        {alarms.map(({ service, forecast }) => (
          <li key={service}>
            {t('watch.foreseenLine', {
              service,
              percent: percent(forecast?.probability ?? 0),
              minutes: Math.round(forecast?.minutes ?? 0),
            })}
          </li>
        ))}
      </ul>
    </Section>
  )
}

function Changes({ changes }: { changes: Change[] }) {
  const { t, name } = useWords()
  if (changes.length === 0) return <Nothing>{t('watch.noChanges')}</Nothing>
  return (
    <ul className="plain-list">
      {changes.slice(0, 8).map((change) => (
        <li key={change.id} className="spread">
          <span>
            <strong>{change.service}</strong> {name('change', change.kind)} {change.title || `${change.from} → ${change.to}`}
            <span className="muted"> {change.by}</span>
          </span>
          <Ago at={change.at} />
        </li>
      ))}
    </ul>
  )
}
