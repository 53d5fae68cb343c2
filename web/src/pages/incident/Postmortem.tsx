// What is left of an incident: read, written anew by a person, taken along.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, asked } from '../../api/client'
import { rememberedName, rememberName, useMay, useStanding } from '../../api/session'
import type { IncidentDetail } from '../../api/types'
import { useWords } from '../../i18n'
import { Markdown } from '../../ui/Markdown'
import { Failed, Fold, Nothing } from '../../ui/parts'

export function Postmortem({ incident }: { incident: IncidentDetail }) {
  const { t } = useWords()
  const may = useMay('act')
  const [draft, setDraft] = useDraft(incident.id)
  const { data, error } = useQuery({
    queryKey: ['postmortem', incident.id, incident.postmortem_digest],
    queryFn: () => {
      const params = { path: { id: incident.id } }
      return asked<string>(api.GET('/api/v1/incidents/{id}/postmortem', { params, parseAs: 'text' }))
    },
    enabled: Boolean(incident.postmortem),
  })
  const digest = incident.postmortem_digest
  if (!incident.postmortem) return <Nothing>{t('incident.noPostmortem')}</Nothing>
  if (draft) return <Editor incident={incident} draft={draft} change={setDraft} />
  return (
    <>
      <Failed error={error} />
      {data && (
        <>
          <div className="row">
            <button type="button" onClick={() => keep(`${incident.id}.md`, data)}>
              {t('incident.export')}
            </button>
            {may && digest && (
              <button type="button" onClick={() => setDraft({ text: data, base: digest })}>
                {t('postmortem.edit')}
              </button>
            )}
          </div>
          <Fold title={t('incident.preview')}>
            <Markdown text={data} />
          </Fold>
        </>
      )}
    </>
  )
}

interface Draft {
  text: string
  base: string
}

// An hour's words are not lost with a session or a page: the tab keeps them until they are saved or given up.
function useDraft(id: string): [Draft | null, (draft: Draft | null) => void] {
  const key = `midwatch.postmortem.${id}`
  const [draft, set] = useState<Draft | null>(() => {
    const kept = sessionStorage.getItem(key)
    return kept ? (JSON.parse(kept) as Draft) : null
  })
  const change = (next: Draft | null) => {
    set(next)
    try {
      if (next) sessionStorage.setItem(key, JSON.stringify(next))
      else sessionStorage.removeItem(key)
    } catch {
      // A tab that keeps nothing still edits.
    }
  }
  return [draft, change]
}

function keep(name: string, text: string) {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/markdown' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // Some browsers read it only after this.
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

interface EditorProps {
  incident: IncidentDetail
  draft: Draft
  change: (draft: Draft | null) => void
}

// The text on one side, what becomes of it on the other.
function Editor({ incident, draft, change }: EditorProps) {
  const { t } = useWords()
  const { session } = useStanding()
  const client = useQueryClient()
  const [name, setName] = useState(rememberedName)
  const by = session.name ?? name.trim()
  const save = useMutation({
    mutationFn: () => {
      if (!session.name) rememberName(by)
      const params = { path: { id: incident.id } }
      return asked(api.PUT('/api/v1/incidents/{id}/postmortem', { params, body: { by, ...draft } }))
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['incident', incident.id] })
      change(null)
    },
  })
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault()
        save.mutate()
      }}
    >
      <div className="editor">
        <textarea aria-label={t('incident.postmortem')} className="mono" value={draft.text} onChange={(event) => change({ ...draft, text: event.target.value })} spellCheck />
        <div className="preview" tabIndex={0} role="region" aria-label={t('postmortem.preview')}>
          <Markdown text={draft.text} />
        </div>
      </div>
      <Failed error={save.error} />
      <div className="row wrap">
        {!session.name && (
          <label>
            {t('approve.by')}
            <input value={name} onChange={(event) => setName(event.target.value)} autoComplete="name" required />
          </label>
        )}
        <button type="submit" className="primary" disabled={save.isPending || !by}>
          {t('postmortem.save')}
        </button>
        <button type="button" onClick={() => change(null)}>
          {t('form.cancel')}
        </button>
      </div>
    </form>
  )
}
