// A person's yes or no to exactly one plan.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type RefObject, useEffect, useRef, useState } from 'react'
import { api, asked } from '../../api/client'
import { rememberedName, rememberName, useMay, useStanding } from '../../api/session'
import type { IncidentDetail } from '../../api/types'
import { useWords } from '../../i18n'
import { Ago, Failed } from '../../ui/parts'

interface Heard {
  decision: string
  by: string
}

// A brings the approving button under the fingers; only then does Enter approve.
function useApproveKey(button: RefObject<HTMLButtonElement | null>) {
  useEffect(() => {
    const down = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && ['INPUT', 'TEXTAREA', 'SELECT'].includes(event.target.tagName)
      if (event.key.toLowerCase() !== 'a' || typing || event.metaKey || event.ctrlKey || event.altKey) return
      button.current?.focus()
      button.current?.scrollIntoView({ block: 'center' })
    }
    window.addEventListener('keydown', down)
    return () => window.removeEventListener('keydown', down)
  }, [button])
}

export function Decision({ incident }: { incident: IncidentDetail }) {
  const { t } = useWords()
  const { session } = useStanding()
  const may = useMay('act')
  const client = useQueryClient()
  const button = useRef<HTMLButtonElement>(null)
  const [name, setName] = useState(rememberedName)
  const [reason, setReason] = useState('')
  const waiting = incident.waiting
  useApproveKey(button)
  const answer = useMutation({
    mutationFn: (decision: 'approve' | 'deny') => {
      const by = session.name ?? name.trim()
      if (!session.name) rememberName(by)
      const body = { incident: incident.id, plan: waiting?.plan ?? '', step: waiting?.step, decision, by, reason }
      return asked<Heard>(api.POST('/api/v1/approvals', { body }))
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['incident', incident.id] }),
  })
  if (!waiting) {
    const said = answer.data
    return said ? (
      <p className="calm" role="status">
        {t('approve.done', { decision: said.decision, by: said.by })}
      </p>
    ) : null
  }
  const cannot = answer.isPending || !(session.name ?? name.trim())
  return (
    <section className="decision" id="decision" aria-label={t('approve.title')}>
      <header className="spread">
        <h2>{t('approve.title')}</h2>
        <code className="muted small" title={waiting.plan}>
          {t('approve.hash', { hash: waiting.plan.slice(0, 12) })}
        </code>
      </header>
      <p className="lead">{waiting.action}</p>
      <p>{waiting.undo ? t('approve.wouldUndo', { undo: waiting.undo }) : t('approve.noUndo')}</p>
      <p className="muted">
        {waiting.why} ·{' '}
        {waiting.needed > 1 && `${t('approve.of', { have: waiting.approved_by.length, needed: waiting.needed })} · `}
        <Ago at={waiting.since} />
      </p>
      {!may && <p className="trouble">{t('approve.noScope')}</p>}
      {may && (
        <form className="row wrap" onSubmit={(event) => event.preventDefault()}>
          {!session.name && (
            <label>
              {t('approve.by')}
              <input value={name} onChange={(event) => setName(event.target.value)} autoComplete="name" required />
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
      <p className="muted small">{t('approve.hint')}</p>
      <Failed error={answer.error} />
    </section>
  )
}
