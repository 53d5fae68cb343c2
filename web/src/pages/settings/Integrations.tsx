// Everything that people are told by, each with a button that shows whether it arrives.
import { useMutation, useQuery } from '@tanstack/react-query'
import { api, asked } from '../../api/client'
import { useMay } from '../../api/session'
import { useWords } from '../../i18n'
import { Failed, Section, Table } from '../../ui/parts'

export interface Target {
  target: string
  delivered: number
  failed: number
  waiting: number
  failing: string | null
}

export interface Told {
  id: string
  target: string
  topic: string
  created_at: string
  state: string
  answer: string | null
}

export const toldQuery = {
  queryKey: ['notifications'],
  queryFn: () => asked<{ targets: Target[]; notifications: Told[] }>(api.GET('/api/v1/notifications/status')),
  meta: { live: true },
}

export function Integrations() {
  const { t } = useWords()
  const { data, error } = useQuery(toldQuery)
  return (
    <Section title={t('settings.integrations')}>
      <Failed error={error} />
      <Table
        label={t('settings.integrations')}
        rows={data?.targets ?? []}
        id={(row) => row.target}
        empty={data ? t('routing.none') : ''}
        columns={[
          { head: t('col.target'), cell: (row) => row.target },
          { head: t('routing.delivered'), cell: (row) => row.delivered },
          { head: t('routing.failed'), cell: (row) => <span className={row.failing ? 'bad' : ''}>{row.failing ?? row.failed}</span> },
          { head: t('routing.waiting'), cell: (row) => row.waiting, wide: true },
          { head: t('routing.test'), cell: (row) => <Test target={row.target} /> },
        ]}
      />
    </Section>
  )
}

function Test({ target }: { target: string }) {
  const { t } = useWords()
  const may = useMay('act')
  const test = useMutation({
    mutationFn: () =>
      asked<{ results: { delivered: boolean; answer: string }[] }>(api.POST('/api/v1/notifications/test', { body: { receiver: target } })),
  })
  if (!may) return null
  return (
    <>
      <button type="button" disabled={test.isPending} onClick={() => test.mutate()}>
        {t('routing.test')}
      </button>
      {test.data && (
        <ul role="status">
          {test.data.results.map((one) => (
            <li key={one.answer} className={one.delivered ? 'good' : 'bad'}>
              {one.answer}
            </li>
          ))}
        </ul>
      )}
      <Failed error={test.error} />
    </>
  )
}
