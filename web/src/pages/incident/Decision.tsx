// A person's yes or no to exactly one plan.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type RefObject, useEffect, useRef, useState } from 'react'
import { api, asked } from '../../api/client'
import { rememberedName, rememberName, useMay, useStanding } from '../../api/session'
import type { Approval } from '../../api/types'
import { useWords } from '../../i18n'
import { clock } from '../../ui/format'
import { Ago, Failed } from '../../ui/parts'

interface Heard {
  decision: string
  by: string
}

// A brings the approving button under the fingers; only then does Enter approve.
function useApproveKey(button: RefObject<HTMLButtonElement | null>, on: boolean) {
  useEffect(() => {
    if (!on) return
    const down = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && ['INPUT', 'TEXTAREA', 'SELECT'].includes(event.target.tagName)
      if (event.key.toLowerCase() !== 'a' || typing || event.metaKey || event.ctrlKey || event.altKey) return
      button.current?.focus()
      button.current?.scrollIntoView({ block: 'center' })
    }
    window.addEventListener('keydown', down)
    return () => window.removeEventListener('keydown', down)
  }, [button, on])
}

// A press that was on its way when the plan changed must not meet the new one.
const READ_MS = 1_500

interface Props {
  incident: string
  waiting: Approval | null | undefined
  // Where it is the only one, a key of the keyboard leads to it.
  alone?: boolean
}

export function Decision({ incident, waiting, alone = false }: Props) {
  const { t } = useWords()
  const plan = waiting ? `${waiting.plan} ${waiting.step}` : ''
  // What was asked for first needs no warning; what takes its place under the reader's eyes does.
  const [first, setFirst] = useState(plan)
  const [heard, setHeard] = useState<Heard | null>(null)
  useEffect(() => {
    if (!first && plan) setFirst(plan)
  }, [first, plan])
  if (!waiting) {
    return heard ? (
      <p className="calm" role="status">
        {t('approve.done', { decision: heard.decision, by: heard.by })}
      </p>
    ) : null
  }
  const replaced = Boolean(first && first !== plan)
  return <Answer key={plan} incident={incident} waiting={waiting} alone={alone} replaced={replaced} heard={setHeard} />
}

interface AnswerProps extends Props {
  waiting: Approval
  replaced: boolean
  heard: (heard: Heard) => void
}

// Exactly one plan: another one is another question, with nothing of this one's answer.
function Answer({ incident, waiting, alone, replaced, heard }: AnswerProps) {
  const { t, language } = useWords()
  const [read, setRead] = useState(!replaced)
  useEffect(() => {
    const timer = window.setTimeout(() => setRead(true), READ_MS)
    return () => window.clearTimeout(timer)
  }, [])
  const { session } = useStanding()
  const may = useMay('act')
  const client = useQueryClient()
  const button = useRef<HTMLButtonElement>(null)
  const [name, setName] = useState(rememberedName)
  const [reason, setReason] = useState('')
  const section = useRef<HTMLElement>(null)
  useApproveKey(button, alone ?? false)
  // A link to the decision leads to it also where it comes after the page.
  useEffect(() => {
    if (alone && window.location.hash === '#decision') section.current?.scrollIntoView({ block: 'nearest' })
  }, [alone])
  const answer = useMutation({
    mutationFn: (decision: 'approve' | 'deny') => {
      const by = session.name ?? name.trim()
      if (!session.name) rememberName(by)
      const body = { incident, plan: waiting.plan, step: waiting.step, decision, by, reason }
      return asked<Heard>(api.POST('/api/v1/approvals', { body }))
    },
    onSuccess: heard,
    onSettled: () => client.invalidateQueries({ queryKey: ['incident', incident] }),
  })
  const nameless = !(session.name ?? name.trim())
  const cannot = answer.isPending || nameless || !read
  return (
    <section ref={section} className="decision" id={alone ? 'decision' : undefined} aria-label={`${t('approve.title')}: ${waiting.action}`}>
      <header className="spread">
        <h2>{t('approve.title')}</h2>
        <code className="muted small" title={waiting.plan}>
          {t('approve.hash', { hash: waiting.plan.slice(0, 12) })}
        </code>
      </header>
      {replaced && (
        <p className="trouble" role="status">
          {t('approve.changed')}
        </p>
      )}
      <p className="lead">{waiting.action}</p>
      <p>{waiting.undo ? t('approve.wouldUndo', { undo: waiting.undo }) : t('approve.noUndo')}</p>
      <p className="muted">
        {waiting.why} ·{' '}
        {waiting.needed > 1 && `${t('approve.of', { have: waiting.approved_by.length, needed: waiting.needed })} · `}
        <Ago at={waiting.since} /> · {t('approve.expires', { time: clock(new Date(waiting.expires_at), language) })}
      </p>
      {!may && <p className="trouble">{t('approve.noScope')}</p>}
      {may && (
        <form className="row wrap" onSubmit={(event) => event.preventDefault()}>
          {!session.name && (
            <label>
              {t('approve.by')}
              <input value={name} onChange={(event) => { setName(event.target.value); rememberName(event.target.value.trim()) }} autoComplete="name" required />
            </label>
          )}
          <label>
            {t('approve.reason')}
            <input value={reason} onChange={(event) => setReason(event.target.value)} />
          </label>
          <button ref={button} type="button" className="primary" disabled={cannot} onClick={() => answer.mutate('approve')}>
            {t('approve.yes')}
          </button>
          <button type="button" className="danger" disabled={cannot} onClick={() => answer.mutate('deny')}>
            {t('approve.no')}
          </button>
        </form>
      )}
      {may && nameless && <p className="trouble">{t('approve.nameMissing')}</p>}
      {alone && <p className="muted small">{t('approve.hint')}</p>}
      <Failed error={answer.error} />
    </section>
  )
}
