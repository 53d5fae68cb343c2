import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { api, asked, raw } from '../api/client'
import { useMay } from '../api/session'
import type { AlertRow, Way } from '../api/types'
import { useWords } from '../i18n'
import { Ask, Field } from '../ui/Form'
import { Ago, Failed, IncidentLink, Page, Table } from '../ui/parts'
import { WaySteps } from '../ui/Way'

const route = getRouteApi('/alerts')
const STATUSES = ['firing', 'acknowledged', 'suppressed', 'resolved']
const SEVERITIES = ['critical', 'high', 'warning', 'info']
const SILENCE_H = [2, 1, 4, 12, 24]

interface AlertPage {
  alerts: AlertRow[]
  next_cursor: string | null
}

export function Alerts() {
  const { t, name } = useWords()
  const { why, ...filters } = route.useSearch()
  const { data, error, fetchNextPage, hasNextPage, isPlaceholderData } = useInfiniteQuery({
    queryKey: ['alerts', filters],
    queryFn: ({ pageParam }) => {
      const query = { ...filters, match: filters.match ? [filters.match] : undefined, limit: 50, cursor: pageParam ?? undefined }
      return asked<AlertPage>(api.GET('/api/v1/alerts', { params: { query } }))
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    // A filter that is being typed does not blank what is shown.
    placeholderData: keepPreviousData,
    meta: { live: true },
  })
  const rows = data?.pages.flatMap((page) => page.alerts) ?? []
  return (
    <Page title={t('alerts.title')}>
      <Filters />
      <Failed error={error} />
      <Table
        label={t('alerts.title')}
        rows={rows}
        id={(row) => row.id}
        empty={data ? t('alerts.none') : ''}
        busy={isPlaceholderData}
        columns={[
          { head: t('col.status'), cell: (row) => <span className={`badge tone-${row.status === 'firing' ? 'bad' : 'quiet'}`}>{row.status ? name('alert', row.status) : (row.signal?.kind ?? '–')}</span> },
          { head: t('col.severity'), cell: (row) => (row.signal?.severity ? name('severity', row.signal.severity) : '–'), wide: true },
          { head: t('col.service'), cell: (row) => row.service },
          { head: t('col.title'), cell: (row) => row.signal?.summary ?? row.id },
          { head: t('col.incident'), cell: (row) => row.incident && <IncidentLink id={row.incident} /> },
          { head: t('col.received'), cell: (row) => <Ago at={row.received_at} />, wide: true },
          {
            head: t('alerts.do'),
            cell: (row) => (
              <span className="row">
                <Link to="/alerts" search={{ ...filters, why: row.id }} className="button small" aria-label={`${t('alerts.why')}: ${row.signal?.summary ?? row.id}`}>
                  {t('alerts.why')}
                </Link>
                <SilenceHere row={row} />
              </span>
            ),
          },
        ]}
      />
      {hasNextPage && (
        <button type="button" onClick={() => void fetchNextPage()}>
          {t('incidents.more')}
        </button>
      )}
      {why && <Why key={why} alert={why} />}
    </Page>
  )
}

// Whether this alert paged somebody, why or why not, and every step that it took. It has an address of its own.
function Why({ alert }: { alert: string }) {
  const { t } = useWords()
  const { why: _, ...filters } = route.useSearch()
  const navigate = useNavigate()
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  const { data, error } = useQuery({
    queryKey: ['why', alert],
    queryFn: () => asked<Way>(api.GET('/api/v1/alerts/{id}/lineage', { params: { path: { id: alert } } })),
    meta: { live: true },
  })
  const close = () => void navigate({ to: '/alerts', search: filters })
  return (
    <dialog ref={dialog} className="ask wide-dialog" aria-label={t('alerts.why')} onClose={close}>
      <h2>{t('alerts.why')}</h2>
      <p className="muted mono">{alert}</p>
      <Failed error={error} />
      {data && <WaySteps way={data} />}
      <div className="row">
        <button type="button" className="primary" onClick={() => dialog.current?.close()}>
          {t('form.close')}
        </button>
        {data?.incident && <IncidentLink id={data.incident} />}
      </div>
    </dialog>
  )
}

function Filters() {
  const { t, name: word } = useWords()
  const search = route.useSearch()
  const navigate = useNavigate()
  const set = (name: 'status' | 'severity' | 'service' | 'match', value: string) =>
    void navigate({ to: '/alerts', search: { ...search, [name]: value || undefined }, replace: true })
  const choice = (name: 'status' | 'severity', label: string, values: string[]) => (
    <label>
      {label}
      <select value={search[name] ?? ''} onChange={(event) => set(name, event.target.value)}>
        <option value="">{t('alerts.all')}</option>
        {values.map((value) => (
          <option key={value} value={value}>
            {word(name === 'status' ? 'alert' : 'severity', value)}
          </option>
        ))}
      </select>
    </label>
  )
  return (
    <form className="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      {choice('status', t('col.status'), STATUSES)}
      {choice('severity', t('col.severity'), SEVERITIES)}
      <label>
        {t('col.service')}
        <input value={search.service ?? ''} onChange={(event) => set('service', event.target.value)} />
      </label>
      <label>
        {t('alerts.match')}
        <input className="mono" defaultValue={search.match ?? ''} onBlur={(event) => set('match', event.target.value)} onKeyDown={(event) => event.key === 'Enter' && set('match', event.currentTarget.value)} />
      </label>
    </form>
  )
}

// Keeps what has the chosen labels quiet for a while; the Silences page ends it earlier.
function SilenceHere({ row }: { row: AlertRow }) {
  const { t } = useWords()
  const may = useMay('act')
  const [until, setUntil] = useState<number | null>(null)
  const labels = Object.entries(row.alert?.labels ?? {})
  if (!may || labels.length === 0 || row.status === 'resolved') return null
  if (until) return <span role="status">{t('alerts.silenced', { hours: until })}</span>
  return (
    <Ask
      title={t('alerts.silence')}
      renews={[['silences'], ['alerts']]}
      run={async ({ by, text, all }) => {
        const [now, hours, kept] = [Date.now(), Number(text('hours')), new Set(all('label'))]
        if (kept.size === 0) throw new Error(t('alerts.silenceNone'))
        const matchers = labels.filter(([name]) => kept.has(name)).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }))
        const [startsAt, endsAt] = [now, now + hours * 3_600_000].map((at) => new Date(at).toISOString())
        await raw('POST', '/api/v2/silences', { matchers, startsAt, endsAt, createdBy: by, comment: text('comment') })
        return hours
      }}
      done={(hours) => setUntil(hours as number)}
    >
      <p>{t('alerts.silenceHint')}</p>
      <fieldset className="choices">
        <legend>{t('silences.label')}</legend>
        {labels.map(([name, value]) => (
          <label key={name} className="check mono">
            <input type="checkbox" name="label" value={name} defaultChecked />
            {name}={JSON.stringify(value)}
          </label>
        ))}
      </fieldset>
      <label>
        {t('handling.for')}
        <select name="hours">
          {SILENCE_H.map((hours) => (
            <option key={hours} value={hours}>
              {hours} h
            </option>
          ))}
        </select>
      </label>
      <Field label={t('col.reason')} name="comment" required defaultValue={row.signal?.summary ?? row.id} />
    </Ask>
  )
}
