import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, asked } from '../api/client'
import { useLive } from '../api/live'
import { useMay } from '../api/session'
import type { View } from '../api/types'
import { type Language, useWords } from '../i18n'
import { keptTheme, setTheme, type Theme } from '../theme'
import { Ago, Failed, Page, Section, Table } from '../ui/parts'

interface Letter {
  id: string
  received_at: string
  source: string
  reason: string
}

export function Settings() {
  const { t, language, setLanguage } = useWords()
  const { view } = useLive()
  const [theme, choose] = useState<Theme>(keptTheme)
  const config = useQuery({
    queryKey: ['config'],
    queryFn: () => asked<{ config: unknown }>(api.GET('/api/v1/config')),
  })
  const letters = useQuery({
    queryKey: ['letters'],
    queryFn: () => asked<{ dead_letters: Letter[] }>(api.GET('/api/v1/dead-letters')),
    meta: { live: true },
  })
  return (
    <Page title={t('settings.title')}>
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
      <Section title={t('settings.health')}>
        {view && <Health health={view.health} />}
      </Section>
      <Section title={t('settings.letters')}>
        <Failed error={letters.error} />
        <Table
          label={t('settings.letters')}
          rows={letters.data?.dead_letters ?? []}
          id={(row) => row.id}
          empty={letters.data ? t('settings.noLetters') : ''}
          columns={[
            { head: t('col.received'), cell: (row) => <Ago at={row.received_at} /> },
            { head: t('col.source'), cell: (row) => row.source },
            { head: t('col.reason'), cell: (row) => row.reason },
            { head: t('settings.retry'), cell: (row) => <Retry id={row.id} /> },
          ]}
        />
      </Section>
      <Section title={t('settings.config')}>
        <Failed error={config.error} />
        <pre tabIndex={0}>{JSON.stringify(config.data?.config ?? null, null, 2)}</pre>
      </Section>
    </Page>
  )
}

// What the watch itself lacks, in words; nothing where all is well.
function Health({ health }: { health: View['health'] }) {
  const { t } = useWords()
  const facts: [string, string][] = [
    [t('settings.status'), health.status],
    [t('settings.warmup'), health.warm_up_ticks_left > 0 ? t('watch.warmup', { n: health.warm_up_ticks_left }) : t('settings.warm')],
    [t('settings.telemetry'), health.stale ? t('health.stale') : t('settings.fresh')],
    [t('settings.sources'), health.sources_failing.join('; ') || t('settings.well')],
    [t('settings.receivers'), health.receivers_failing.join('; ') || t('settings.well')],
    [t('settings.error'), health.last_error ?? t('settings.none')],
  ]
  return (
    <dl className="facts card">
      {facts.map(([name, text]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
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
