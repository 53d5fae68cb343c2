import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { api, asked, raw } from '../api/client'
import { useLive } from '../api/live'
import { useMay } from '../api/session'
import type { Maintenance, Silence } from '../api/types'
import { useWords } from '../i18n'
import { Ask, Field } from '../ui/Form'
import { Clock, Failed, Page, Section, Table } from '../ui/parts'

const sign = (matcher: Silence['matchers'][number]) => `${matcher.isEqual ? '=' : '!'}${matcher.isRegex ? '~' : matcher.isEqual ? '' : '='}`

function End({ path, of }: { path: string; of: string }) {
  const { t } = useWords()
  const may = useMay('act')
  const client = useQueryClient()
  const end = useMutation({
    mutationFn: () => raw('DELETE', path),
    onSettled: () => client.invalidateQueries({ queryKey: [of] }),
  })
  if (!may) return null
  return (
    <>
      <button type="button" disabled={end.isPending} onClick={() => end.mutate()}>
        {t('silences.end')}
      </button>
      <Failed error={end.error} />
    </>
  )
}

export function Silences() {
  const { t } = useWords()
  const may = useMay('act')
  const silences = useQuery({
    queryKey: ['silences'],
    queryFn: () => raw<Silence[]>('GET', '/api/v2/silences'),
    meta: { live: true },
  })
  const maintenance = useQuery({
    queryKey: ['maintenance'],
    queryFn: () => asked<{ maintenance: Maintenance[] }>(api.GET('/api/v1/maintenance')),
    meta: { live: true },
  })
  return (
    <Page title={t('silences.title')} actions={may && <AddSilence />}>
      <Failed error={silences.error ?? maintenance.error} />
      <Table
        label={t('silences.title')}
        rows={(silences.data ?? []).filter((one) => one.status.state !== 'expired')}
        id={(row) => row.id}
        empty={silences.data ? t('silences.none') : ''}
        columns={[
          { head: t('col.what'), cell: (row) => <code>{row.matchers.map((m) => `${m.name}${sign(m)}"${m.value}"`).join(', ')}</code> },
          { head: t('col.reason'), cell: (row) => row.comment },
          { head: t('col.by'), cell: (row) => row.createdBy, wide: true },
          { head: t('col.until'), cell: (row) => <Clock at={row.endsAt} /> },
          { head: t('silences.end'), cell: (row) => <End path={`/api/v2/silence/${encodeURIComponent(row.id)}`} of="silences" /> },
        ]}
      />
      <Section title={t('silences.maintenance')} aside={may && <PlanMaintenance />}>
        <Table
          label={t('silences.maintenance')}
          rows={maintenance.data?.maintenance ?? []}
          id={(row) => row.id}
          empty={maintenance.data ? t('silences.noMaintenance') : ''}
          columns={[
            { head: t('col.what'), cell: (row) => <code>{row.matchers.join(', ')}</code> },
            { head: t('col.reason'), cell: (row) => row.reason },
            { head: t('col.state'), cell: (row) => row.state, wide: true },
            { head: t('col.until'), cell: (row) => <Clock at={row.ends_at} /> },
            { head: t('silences.end'), cell: (row) => <End path={`/api/v1/maintenance/${encodeURIComponent(row.id)}`} of="maintenance" /> },
          ]}
        />
      </Section>
    </Page>
  )
}

const HOURS = [1, 2, 4, 8, 24, 72]

const ends = (hours: string) => new Date(Date.now() + Number(hours) * 3_600_000).toISOString()

function Hours() {
  const { t } = useWords()
  return (
    <label>
      {t('handling.for')}
      <select name="hours" defaultValue="2">
        {HOURS.map((hours) => (
          <option key={hours} value={hours}>
            {hours} h
          </option>
        ))}
      </select>
    </label>
  )
}

function AddSilence() {
  const { t } = useWords()
  return (
    <Ask
      title={t('silences.add')}
      renews={[['silences']]}
      run={({ by, text }) => {
        const matcher = { name: text('label'), value: text('value'), isRegex: text('regex') !== '', isEqual: true }
        const body = { matchers: [matcher], startsAt: new Date().toISOString(), endsAt: ends(text('hours')), createdBy: by, comment: text('comment') }
        return raw('POST', '/api/v2/silences', body)
      }}
    >
      <Field label={t('silences.label')} name="label" defaultValue="service" required />
      <Field label={t('silences.value')} name="value" required />
      <label className="check">
        <input type="checkbox" name="regex" />
        {t('silences.regex')}
      </label>
      <Hours />
      <Field label={t('col.reason')} name="comment" required />
    </Ask>
  )
}

function PlanMaintenance() {
  const { t } = useWords()
  const { view } = useLive()
  return (
    <Ask
      title={t('silences.plan')}
      renews={[['maintenance']]}
      run={({ by, text }) => {
        const body = { service: text('service'), matchers: [], ends_at: ends(text('hours')), by, reason: text('reason') }
        return asked(api.POST('/api/v1/maintenance', { body }))
      }}
    >
      <p>{t('silences.planHint')}</p>
      <label>
        {t('col.service')}
        <select name="service">
          {(view?.graph.nodes ?? []).map((node) => (
            <option key={node.service}>{node.service}</option>
          ))}
        </select>
      </label>
      <Hours />
      <Field label={t('col.reason')} name="reason" required />
    </Ask>
  )
}
