import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { type FormEvent } from 'react'
import { api, asked } from '../api/client'
import type { KnowledgeDocument } from '../api/types'
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
  const { q, collection, doc } = route.useSearch()
  return collection && doc ? <OneDocument collection={collection} id={doc} q={q} /> : <Search q={q} />
}

function Search({ q }: { q: string | undefined }) {
  const { t, name } = useWords()
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
              <p className="muted">{name('collection', hit.collection)}</p>
              <p className="lead">
                <To doc={hit} q={q}>
                  {[hit.title, hit.heading].filter(Boolean).join(' · ')}
                </To>
              </p>
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
            { head: t('col.what'), cell: (row) => <To doc={row}>{row.title}</To> },
            { head: t('col.source'), cell: (row) => name('collection', row.collection) },
          ]}
        />
      )}
    </Page>
  )
}

function To({ doc, q, children }: { doc: Doc; q?: string; children: string }) {
  return (
    <Link to="/knowledge" search={{ q, collection: doc.collection, doc: doc.id }}>
      {children}
    </Link>
  )
}

// One document as a whole, at its own address: what somebody reads at night is not a list of hits.
function OneDocument({ collection, id, q }: { collection: string; id: string; q: string | undefined }) {
  const { t, name } = useWords()
  const { data, error } = useQuery({
    queryKey: ['knowledge', collection, id],
    queryFn: () => asked<{ document: KnowledgeDocument }>(api.GET('/api/v1/knowledge/{collection}/{id}', { params: { path: { collection, id } } })),
  })
  const document = data?.document
  const about = [...(document?.services ?? []), ...(document?.anomaly_types ?? []).map((type) => name('cause', type))]
  return (
    <Page
      title={document?.title ?? id}
      actions={
        <Link to="/knowledge" search={{ q }} className="button">
          {t('knowledge.back')}
        </Link>
      }
    >
      <Failed error={error} />
      {document && (
        <article>
          <p className="muted">{[name('collection', collection), ...about].join(' · ')}</p>
          <Markdown text={document.text} />
        </article>
      )}
    </Page>
  )
}
