// ⌘K: any page, open incident or service by a few letters.
import { useNavigate } from '@tanstack/react-router'
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react'
import { useLive } from '../api/live'
import { useStanding } from '../api/session'
import { useWords } from '../i18n'
import { PAGES } from './Layout'

const SHOWN_MAX = 12

interface Goal {
  text: string
  hint: string
  go: () => void
}

export function Palette({ close }: { close: () => void }) {
  const { t } = useWords()
  const { view } = useLive()
  const { session } = useStanding()
  const navigate = useNavigate()
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  const goals = useMemo<Goal[]>(() => {
    const pages: Goal[] = PAGES.map((page) => ({
      text: t(page.key),
      hint: `g ${page.hot}`,
      go: () => void navigate({ to: page.to }),
    }))
    if (session.lab) pages.push({ text: t('nav.lab'), hint: '', go: () => void navigate({ to: '/lab' }) })
    const incidents = (view?.incidents ?? []).map((one) => ({
      text: `${one.id} ${one.summary}`,
      hint: t('col.incident'),
      go: () => void navigate({ to: '/incidents/$id', params: { id: one.id } }),
    }))
    const services = (view?.graph.nodes ?? []).map((node) => ({
      text: node.service,
      hint: t('col.service'),
      go: () => void navigate({ to: '/services', search: { name: node.service } }),
    }))
    return [...pages, ...incidents, ...services]
  }, [view, session.lab, navigate, t])
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const found = goals.filter((goal) => words.every((word) => goal.text.toLowerCase().includes(word))).slice(0, SHOWN_MAX)
  const chosen = Math.min(at, Math.max(0, found.length - 1))
  const go = (goal: Goal | undefined) => {
    if (!goal) return
    close()
    goal.go()
  }
  const keys = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setAt((chosen + 1) % Math.max(1, found.length))
    else if (event.key === 'ArrowUp') setAt((chosen + found.length - 1) % Math.max(1, found.length))
    else if (event.key === 'Enter') go(found[chosen])
    else return
    event.preventDefault()
  }
  return (
    <dialog ref={dialog} className="palette" aria-label={t('palette.open')} onClose={close} onCancel={close} onClick={(e) => e.target === dialog.current && close()}>
      <input
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length ? `goal-${chosen}` : undefined}
        aria-label={t('palette.hint')}
        placeholder={t('palette.hint')}
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setAt(0)
        }}
        onKeyDown={keys}
      />
      <ul id="palette-list" role="listbox" aria-label={t('palette.open')}>
        {found.map((goal, i) => (
          <li key={`${i} ${goal.text}`} id={`goal-${i}`} role="option" aria-selected={i === chosen} onMouseMove={() => setAt(i)} onClick={() => go(goal)}>
            <span>{goal.text}</span>
            <small>{goal.hint}</small>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="nothing">{t('palette.none')}</p>}
    </dialog>
  )
}
