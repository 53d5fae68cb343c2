import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, asked } from '../api/client'
import { useLive } from '../api/live'
import { useMay } from '../api/session'
import { type Language, useWords } from '../i18n'
import { keptTheme, setTheme, type Theme } from '../theme'
import { Ago, Failed, Page, Section, Table } from '../ui/parts'
import { type Config, Sources, Thresholds } from './settings/Facts'
import { Integrations } from './settings/Integrations'

interface Letter {
  id: string
  received_at: string
  source: string
  reason: string
}

export function Settings() {
  const { t } = useWords()
  const { view } = useLive()
  const config = useQuery({
    queryKey: ['config'],
    queryFn: () => asked<{ config: Config }>(api.GET('/api/v1/config')),
  })
  return (
    <Page title={t('settings.title')}>
      <Appearance />
      {view && config.data && <Sources view={view} config={config.data.config} />}
      <Integrations />
      {config.data && <Thresholds config={config.data.config} />}
      <Letters />
      <Section title={t('settings.config')}>
        <Failed error={config.error} />
        <pre tabIndex={0}>{JSON.stringify(config.data?.config ?? null, null, 2)}</pre>
      </Section>
    </Page>
  )
}

function Appearance() {
  const { t, language, setLanguage } = useWords()
  const [theme, choose] = useState<Theme>(keptTheme)
  return (
    <form className="filters" onSubmit={(event) => event.preventDefault()}>
      <label>
        {t('settings.language')}
        <select value={language} onChange={(event) => setLanguage(event.target.value as Language)}>
          <option value="en">English</option>
          <option value="zh">中文</option>
        </select>
      </label>
      <label>
        {t('settings.theme')}
        <select
          value={theme}
          onChange={(event) => {
            const next = event.target.value as Theme
            setTheme(next)
            choose(next)
          }}
        >
          <option value="system">{t('settings.system')}</option>
          <option value="light">{t('settings.light')}</option>
          <option value="dark">{t('settings.dark')}</option>
        </select>
      </label>
    </form>
  )
}

function Letters() {
  const { t } = useWords()
  const { data, error } = useQuery({
    queryKey: ['letters'],
    queryFn: () => asked<{ dead_letters: Letter[] }>(api.GET('/api/v1/dead-letters')),
    meta: { live: true },
  })
  return (
    <Section title={t('settings.letters')}>
      <Failed error={error} />
      <Table
        label={t('settings.letters')}
        rows={data?.dead_letters ?? []}
        id={(row) => row.id}
        empty={data ? t('settings.noLetters') : ''}
        columns={[
          { head: t('col.received'), cell: (row) => <Ago at={row.received_at} /> },
          { head: t('col.source'), cell: (row) => row.source },
          { head: t('col.reason'), cell: (row) => row.reason },
          { head: t('settings.retry'), cell: (row) => <Retry id={row.id} /> },
        ]}
      />
    </Section>
  )
}

function Retry({ id }: { id: string }) {
  const { t } = useWords()
  const may = useMay('act')
  const client = useQueryClient()
  const retry = useMutation({
    mutationFn: () => asked(api.POST('/api/v1/dead-letters/{id}/retry', { params: { path: { id } } })),
    onSettled: () => client.invalidateQueries({ queryKey: ['letters'] }),
  })
  if (!may) return null
  return (
    <>
      <button type="button" disabled={retry.isPending} onClick={() => retry.mutate()}>
        {t('settings.retry')}
      </button>
      <Failed error={retry.error} />
    </>
  )
}
