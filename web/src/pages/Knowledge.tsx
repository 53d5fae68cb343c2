import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { type FormEvent } from 'react'
import { api, asked } from '../api/client'
import { useWords } from '../i18n'
import { Markdown } from '../ui/Markdown'
import { Failed, Nothing, Page, Table } from '../ui/parts'

const route = getRouteApi('/knowledge')

interface Hit {
  collection: string
  id: string
  title: string
  heading: string
  text: string
}

interface Doc {
  collection: string
  id: string
  title: string
}

export function Knowledge() {
  const { t } = useWords()
  const { q } = route.useSearch()
  const navigate = useNavigate()
  const found = useQuery({
    queryKey: ['knowledge', q],
    queryFn: () => asked<{ hits: Hit[]; note: string | null }>(api.GET('/api/v1/knowledge/search', { params: { query: { q: q ?? '' } } })),
    enabled: Boolean(q),
  })
  const all = useQuery({
    queryKey: ['knowledge'],
    queryFn: () => asked<{ documents: Doc[] }>(api.GET('/api/v1/knowledge')),
    enabled: !q,
  })
  const search = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const text = String(new FormData(event.currentTarget).get('q') ?? '').trim()
    void navigate({ to: '/knowledge', search: { q: text || undefined } })
  }
  return (
    <Page title={t('knowledge.title')}>
      <form className="filters" role="search" onSubmit={search}>
        <label className="grow">
          {t('knowledge.search')}
          <input name="q" type="search" defaultValue={q ?? ''} key={q} />
        </label>
      </form>
      <Failed error={found.error ?? all.error} />
      {q && found.data?.hits.length === 0 && <Nothing>{t('knowledge.none')}</Nothing>}
      {q && (
        <ul className="cards">
          {(found.data?.hits ?? []).map((hit, i) => (
            <li className="card" key={`${hit.collection} ${hit.id} ${i}`}>
              <p className="muted">{hit.collection}</p>
              <p className="lead">{[hit.title, hit.heading].filter(Boolean).join(' · ')}</p>
              <Markdown text={hit.text} />
            </li>
          ))}
        </ul>
      )}
      {!q && (
        <Table
          label={t('knowledge.title')}
          rows={all.data?.documents ?? []}
          id={(row) => `${row.collection} ${row.id}`}
          empty={all.data ? t('knowledge.none') : ''}
          columns={[
            { head: t('col.what'), cell: (row) => row.title },
            { head: t('col.source'), cell: (row) => row.collection },
          ]}
        />
      )}
    </Page>
  )
}
