import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { api, asked } from '../api/client'
import type { IncidentPage } from '../api/types'
import { useWords } from '../i18n'
import { Failed, Nothing, Page } from '../ui/parts'
import { Rows } from './Watch'

const route = getRouteApi('/incidents')

export function Incidents() {
  const { t } = useWords()
  const { open, service } = route.useSearch()
  const navigate = useNavigate()
  const { data, error, fetchNextPage, hasNextPage } = useInfiniteQuery({
    queryKey: ['incidents', open, service],
    queryFn: ({ pageParam }) => {
      const query = { limit: 50, open: open || undefined, service: service || undefined, cursor: pageParam ?? undefined }
      return asked<IncidentPage>(api.GET('/api/v1/incidents', { params: { query } }))
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    // A filter that is being typed does not blank what is shown.
    placeholderData: keepPreviousData,
    meta: { live: true },
  })
  const incidents = data?.pages.flatMap((page) => page.incidents) ?? []
  return (
    <Page title={t('incidents.title')}>
      <form className="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <label className="check">
          <input
            type="checkbox"
            checked={open ?? false}
            onChange={(event) => void navigate({ to: '/incidents', search: { service, open: event.target.checked || undefined } })}
          />
          {t('incidents.onlyOpen')}
        </label>
        <label>
          {t('col.service')}
          <input
            value={service ?? ''}
            onChange={(event) => void navigate({ to: '/incidents', search: { open, service: event.target.value || undefined }, replace: true })}
          />
        </label>
      </form>
      <Failed error={error} />
      {data && incidents.length === 0 && <Nothing>{t('incidents.none')}</Nothing>}
      <Rows incidents={incidents} />
      {hasNextPage && (
        <button type="button" onClick={() => void fetchNextPage()}>
          {t('incidents.more')}
        </button>
      )}
    </Page>
  )
}
