// Every page has an address, and every filter is part of it.
import { createRootRoute, createRoute, createRouter, useParams } from '@tanstack/react-router'
import { useWords } from './i18n'
import { Actions } from './pages/Actions'
import { Alerts } from './pages/Alerts'
import { Incident } from './pages/Incident'
import { Incidents } from './pages/Incidents'
import { Knowledge } from './pages/Knowledge'
import { Lab } from './pages/Lab'
import { Replay } from './pages/Replay'
import { Routing } from './pages/Routing'
import { Services } from './pages/Services'
import { Settings } from './pages/Settings'
import { Silences } from './pages/Silences'
import { Watch } from './pages/Watch'
import { Layout } from './ui/Layout'
import { Page } from './ui/parts'

type Search = Record<string, unknown>

const text = (search: Search, name: string) => (typeof search[name] === 'string' && search[name] ? (search[name] as string) : undefined)

function NotFound() {
  const { t } = useWords()
  return <Page title={t('notFound.title')}>{null}</Page>
}

// Another incident is another page: nothing of the one before is kept.
function OneIncident() {
  const { id } = useParams({ from: '/incidents/$id' })
  return <Incident key={id} />
}

const root = createRootRoute({ component: Layout, notFoundComponent: NotFound })

const tree = root.addChildren([
  createRoute({ getParentRoute: () => root, path: '/', component: Watch }),
  createRoute({
    getParentRoute: () => root,
    path: '/incidents',
    component: Incidents,
    validateSearch: (search: Search): { open?: true; service?: string } => ({
      open: search.open === true || undefined,
      service: text(search, 'service'),
    }),
  }),
  createRoute({ getParentRoute: () => root, path: '/incidents/$id', component: OneIncident }),
  createRoute({ getParentRoute: () => root, path: '/incidents/$id/replay', component: Replay }),
  createRoute({
    getParentRoute: () => root,
    path: '/alerts',
    component: Alerts,
    validateSearch: (search: Search): { status?: string; severity?: string; service?: string; match?: string; why?: string } => ({
      why: text(search, 'why'),
      status: text(search, 'status'),
      severity: text(search, 'severity'),
      service: text(search, 'service'),
      match: text(search, 'match'),
    }),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/services',
    component: Services,
    validateSearch: (search: Search): { name?: string } => ({ name: text(search, 'name') }),
  }),
  createRoute({ getParentRoute: () => root, path: '/actions', component: Actions }),
  createRoute({ getParentRoute: () => root, path: '/silences', component: Silences }),
  createRoute({ getParentRoute: () => root, path: '/knowledge', component: Knowledge, validateSearch: (search: Search): { q?: string; collection?: string; doc?: string } => ({ q: text(search, 'q'), collection: text(search, 'collection'), doc: text(search, 'doc') }) }),
  createRoute({ getParentRoute: () => root, path: '/routing', component: Routing }),
  createRoute({ getParentRoute: () => root, path: '/settings', component: Settings }),
  createRoute({ getParentRoute: () => root, path: '/lab', component: Lab }),
])

export const router = createRouter({ routeTree: tree, defaultPreload: 'intent' })

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
