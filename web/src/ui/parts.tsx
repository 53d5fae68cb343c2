// Small parts that every page is made of.
import { Link } from '@tanstack/react-router'
import { type ReactNode, useEffect, useState } from 'react'
import { useWords } from '../i18n'
import type { MessageKey } from '../messages'
import { ago, clock, full } from './format'

// One clock for all times on a page, so that they move together.
function useNow(): Date {
  const [now, setNow] = useState(() => new Date())
  useEffect(() => {
    const timer = window.setInterval(() => setNow(new Date()), 5000)
    return () => window.clearInterval(timer)
  }, [])
  return now
}

export function Ago({ at }: { at: string }) {
  const words = useWords()
  const now = useNow()
  const then = new Date(at)
  return (
    <time dateTime={at} title={full(then, words.language)}>
      {ago(then, now, words)}
    </time>
  )
}

export function Clock({ at }: { at: string }) {
  const { language } = useWords()
  const then = new Date(at)
  return (
    <time dateTime={at} title={full(then, language)} className="mono">
      {clock(then, language)}
    </time>
  )
}

const TONES: Record<string, string> = {
  awaiting_approval: 'act',
  escalated: 'act',
  correlating: 'bad',
  investigating: 'bad',
  diagnosed: 'bad',
  remediating: 'busy',
  verifying: 'busy',
  soaking: 'busy',
  resolved: 'good',
  closed: 'quiet',
  false_alarm: 'quiet',
}

export function StateBadge({ state }: { state: string }) {
  const words = useWords()
  return <span className={`badge tone-${TONES[state] ?? 'quiet'}`}>{words.name('state', state)}</span>
}

const HEALTH_TONES: Record<string, string> = { normal: 'good', abnormal: 'bad', stale: 'busy', unknown: 'quiet' }

export function HealthBadge({ health }: { health: string }) {
  const { t } = useWords()
  return (
    <span className={`badge tone-${HEALTH_TONES[health] ?? 'quiet'}`}>{t(`health.${health}` as MessageKey)}</span>
  )
}

export function Page({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · midwatch`
  }, [title])
  return (
    <div className="page">
      <header className="page-head">
        <h1>{title}</h1>
        {actions && <div className="row">{actions}</div>}
      </header>
      {children}
    </div>
  )
}

export function Section({ title, aside, id, children }: { title: string; aside?: ReactNode; id?: string; children: ReactNode }) {
  return (
    <section className="section" id={id}>
      <header className="section-head">
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  )
}

// What is there for whoever wants it, and in nobody's way.
export function Fold({ title, children }: { title: string; children: ReactNode }) {
  return (
    <details className="fold">
      <summary>{title}</summary>
      {children}
    </details>
  )
}

export function Nothing({ children }: { children: ReactNode }) {
  return <p className="nothing">{children}</p>
}

export function Failed({ error }: { error: Error | null }) {
  const { t } = useWords()
  if (!error) return null
  return (
    <p className="failed" role="alert">
      <strong>{t('error.title')}.</strong> {error.message}
    </p>
  )
}

export function IncidentLink({ id }: { id: string }) {
  return (
    <Link to="/incidents/$id" params={{ id }} className="mono">
      {id}
    </Link>
  )
}

export interface Column<T> {
  head: string
  cell: (row: T) => ReactNode
  // Left out on narrow screens.
  wide?: boolean
}

export function Table<T>(props: { label: string; columns: Column<T>[]; rows: T[]; id: (row: T) => string; empty: string; busy?: boolean }) {
  if (props.rows.length === 0) return <Nothing>{props.empty}</Nothing>
  return (
    <div className="table-frame" tabIndex={0} role="region" aria-label={props.label} aria-busy={props.busy}>
      <table>
        <thead>
          <tr>
            {props.columns.map((column) => (
              <th key={column.head} scope="col" className={column.wide ? 'wide' : undefined}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => (
            <tr key={props.id(row)}>
              {props.columns.map((column) => (
                <td key={column.head} data-head={column.head} className={column.wide ? 'wide' : undefined}>
                  <div className="cell">{column.cell(row)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
