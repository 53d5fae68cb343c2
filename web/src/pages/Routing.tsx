import { useQuery } from '@tanstack/react-query'
import { useWords } from '../i18n'
import { Ago, Failed, Page, Section, Table } from '../ui/parts'
import { Integrations, toldQuery } from './settings/Integrations'

export function Routing() {
  const { t } = useWords()
  const { data, error } = useQuery(toldQuery)
  return (
    <Page title={t('routing.title')}>
      <Integrations />
      <Section title={t('routing.recent')}>
        <Failed error={error} />
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
