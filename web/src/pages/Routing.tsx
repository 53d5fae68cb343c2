import { useMutation, useQuery } from '@tanstack/react-query'
import { api, asked } from '../api/client'
import { useMay } from '../api/session'
import { useWords } from '../i18n'
import { Ago, Failed, Page, Section, Table } from '../ui/parts'

interface Target {
  target: string
  delivered: number
  failed: number
  waiting: number
  failing: string | null
}

interface Told {
  id: string
  target: string
  topic: string
  created_at: string
  state: string
  answer: string | null
}

export function Routing() {
  const { t } = useWords()
  const { data, error } = useQuery({
    queryKey: ['notifications'],
    queryFn: () => asked<{ targets: Target[]; notifications: Told[] }>(api.GET('/api/v1/notifications/status')),
    meta: { live: true },
  })
  return (
    <Page title={t('routing.title')}>
      <Failed error={error} />
      <Section title={t('routing.targets')}>
        <Table
          label={t('routing.targets')}
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
      <Section title={t('routing.recent')}>
        <Table
          label={t('routing.recent')}
          rows={data?.notifications ?? []}
          id={(row) => row.id}
          empty="–"
          columns={[
            { head: t('col.at'), cell: (row) => <Ago at={row.created_at} /> },
            { head: t('col.target'), cell: (row) => row.target },
            { head: t('col.what'), cell: (row) => row.topic, wide: true },
            { head: t('col.outcome'), cell: (row) => [row.state, row.answer].filter(Boolean).join(': ') },
          ]}
        />
      </Section>
    </Page>
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
      {test.data && <span role="status"> {test.data.results.map((one) => one.answer).join('; ')}</span>}
      <Failed error={test.error} />
    </>
  )
}
