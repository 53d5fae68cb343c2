// The frame of every page: where one can go, and whether what is shown is true now.
import { useIsFetching } from '@tanstack/react-query'
import { Link, Outlet, useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useLive } from '../api/live'
import { useStanding } from '../api/session'
import { useWords, zone } from '../i18n'
import type { MessageKey } from '../messages'
import { clock } from './format'
import { Palette } from './Palette'

export const PAGES = [
  { to: '/', key: 'nav.watch', hot: 'w' },
  { to: '/incidents', key: 'nav.incidents', hot: 'i' },
  { to: '/alerts', key: 'nav.alerts', hot: 'a' },
  { to: '/services', key: 'nav.services', hot: 's' },
  { to: '/actions', key: 'nav.actions', hot: 'c' },
  { to: '/silences', key: 'nav.silences', hot: 'm' },
  { to: '/knowledge', key: 'nav.knowledge', hot: 'k' },
  { to: '/routing', key: 'nav.routing', hot: 'r' },
  { to: '/settings', key: 'nav.settings', hot: 't' },
] as const

const inField = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))

// Between the two keys, milliseconds.
const GOING_MS = 1_200

// g and a letter goes to a page; ⌘K or / searches.
function useKeys(openPalette: () => void) {
  const navigate = useNavigate()
  // When g was pressed, by the time of the key itself: a busy page hears late of what came in time.
  const going = useRef(-GOING_MS)
  useEffect(() => {
    const down = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        openPalette()
        return
      }
      if (inField(event.target) || event.metaKey || event.ctrlKey || event.altKey) return
      if (event.key === '/') {
        event.preventDefault()
        openPalette()
      } else if (event.key === 'g') going.current = event.timeStamp
      else if (event.timeStamp - going.current < GOING_MS) {
        going.current = -GOING_MS
        const page = PAGES.find((page) => page.hot === event.key)
        if (page) void navigate({ to: page.to })
      }
    }
    window.addEventListener('keydown', down)
    return () => window.removeEventListener('keydown', down)
  }, [navigate, openPalette])
}

function LiveState() {
  const { view, staleSince } = useLive()
  const { t, language } = useWords()
  const stale = staleSince !== null
  const text = stale ? t('live.stale', { time: clock(staleSince, language) }) : t(view ? 'live.ok' : 'live.never')
  return (
    <span className={`live ${stale ? 'is-stale' : view ? 'is-live' : ''}`} role="status" title={t('time.zone', { zone })}>
      {text}
    </span>
  )
}

function ModeState() {
  const { view } = useLive()
  const { t } = useWords()
  if (!view) return null
  return <span className="mode">{view.dry_run ? t('mode.dry') : t(`mode.${view.mode}` as MessageKey)}</span>
}

export function Layout() {
  const { t } = useWords()
  const { view } = useLive()
  const { session, signOut } = useStanding()
  const [searching, setSearching] = useState(false)
  const open = useRef(() => setSearching(true)).current
  useKeys(open)
  const waiting = view?.approvals.length ?? 0
  // What has never come yet; what is only asked for anew is there meanwhile.
  const loading = useIsFetching({ predicate: (query) => query.state.data === undefined }) > 0
  return (
    <div className="frame">
      <a className="skip" href="#content">
        {t('nav.skip')}
      </a>
      <nav className="side" aria-label={t('nav.main')}>
        <div className="brand">
          <img src="/icon.svg" alt="" width="20" height="20" />
          <span>midwatch</span>
        </div>
        <button type="button" className="search" onClick={open}>
          <span>{t('palette.open')}</span>
          <kbd>⌘K</kbd>
        </button>
        <ul>
          {PAGES.map((page) => (
            <li key={page.to}>
              <Link to={page.to} activeOptions={{ exact: page.to === '/' }} activeProps={{ 'aria-current': 'page' }}>
                <span>{t(page.key)}</span>
                {page.to === '/' && waiting > 0 && <span className="count">{waiting}</span>}
              </Link>
            </li>
          ))}
          {session.lab && (
            <li>
              <Link to="/lab" activeProps={{ 'aria-current': 'page' }}>
                {t('nav.lab')}
              </Link>
            </li>
          )}
        </ul>
        <footer>
          {session.csrf && (
            <button type="button" className="plain" onClick={() => void signOut()}>
              {t('session.out')} {session.name}
            </button>
          )}
          <small>{session.version}</small>
        </footer>
      </nav>
      <div className="body">
        <div className="status-line">
          <LiveState />
          <ModeState />
        </div>
        <main id="content" tabIndex={-1} data-loading={loading}>
          <Outlet />
        </main>
      </div>
      {searching && <Palette close={() => setSearching(false)} />}
    </div>
  )
}
