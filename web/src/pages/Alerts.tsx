import { keepPreviousData, useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { api, asked, raw } from '../api/client'
import { rememberedName, useMay, useStanding } from '../api/session'
import type { AlertRow } from '../api/types'
import { useWords } from '../i18n'
import { Ago, Failed, IncidentLink, Page, Table } from '../ui/parts'

const route = getRouteApi('/alerts')
const STATUSES = ['firing', 'acknowledged', 'suppressed', 'resolved']
const SEVERITIES = ['critical', 'high', 'warning', 'info']
const SILENCE_H = 2

interface AlertPage {
  alerts: AlertRow[]
  next_cursor: string | null
}

export function Alerts() {
  const { t } = useWords()
  const search = route.useSearch()
  const { data, error, fetchNextPage, hasNextPage } = useInfiniteQuery({
    queryKey: ['alerts', search],
    queryFn: ({ pageParam }) => {
      const query = { ...search, match: search.match ? [search.match] : undefined, limit: 50, cursor: pageParam ?? undefined }
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
        columns={[
          { head: t('col.status'), cell: (row) => <span className={`badge tone-${row.status === 'firing' ? 'bad' : 'quiet'}`}>{row.status ?? row.signal?.kind ?? '–'}</span> },
          { head: t('col.severity'), cell: (row) => row.signal?.severity ?? '–', wide: true },
          { head: t('col.service'), cell: (row) => row.service },
          { head: t('col.title'), cell: (row) => row.signal?.summary ?? row.id },
          { head: t('col.incident'), cell: (row) => row.incident && <IncidentLink id={row.incident} /> },
          { head: t('col.received'), cell: (row) => <Ago at={row.received_at} />, wide: true },
          { head: t('alerts.silence'), cell: (row) => <SilenceHere row={row} />, wide: true },
        ]}
      />
      {hasNextPage && (
        <button type="button" onClick={() => void fetchNextPage()}>
          {t('incidents.more')}
        </button>
      )}
    </Page>
  )
}

function Filters() {
  const { t } = useWords()
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
          <option key={value}>{value}</option>
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

// Keeps what has these labels quiet for a while; the Silences page ends it earlier.
function SilenceHere({ row }: { row: AlertRow }) {
  const { t } = useWords()
  const may = useMay('act')
  const { session } = useStanding()
  const client = useQueryClient()
  const labels = Object.entries(row.alert?.labels ?? {})
  const silence = useMutation({
    mutationFn: () => {
      const now = Date.now()
      return raw('POST', '/api/v2/silences', {
        matchers: labels.map(([name, value]) => ({ name, value, isRegex: false, isEqual: true })),
        startsAt: new Date(now).toISOString(),
        endsAt: new Date(now + SILENCE_H * 3_600_000).toISOString(),
        createdBy: session.name ?? (rememberedName() || 'dashboard'),
        comment: row.signal?.summary ?? row.id,
      })
    },
    onSuccess: () => client.invalidateQueries({ queryKey: ['silences'] }),
  })
  if (!may || labels.length === 0 || row.status === 'resolved') return null
  if (silence.isSuccess) return <span role="status">{t('alerts.silenced', { hours: SILENCE_H })}</span>
  return (
    <>
      <button type="button" className="plain" disabled={silence.isPending} onClick={() => silence.mutate()}>
        {t('alerts.silence')} {SILENCE_H} h
      </button>
      <Failed error={silence.error} />
    </>
  )
}
