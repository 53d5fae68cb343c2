import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, asked } from '../api/client'
import { useMay } from '../api/session'
import type { ActionRow } from '../api/types'
import { useWords } from '../i18n'
import { Ask, Field } from '../ui/Form'
import { percent } from '../ui/format'
import { Ago, Failed, IncidentLink, Page, Section, Table } from '../ui/parts'
import { actionText, outcomeText } from './incident/Plan'

interface Standing {
  action: string
  service: string
  cause: string
  // In force in mode auto, and why.
  mode: 'shadow' | 'propose' | 'auto'
  why: string
  record: { trials: number; recovered: number }
  share_low: number | null
  suggestion: string | null
}

const LEVELS = ['shadow', 'propose', 'auto'] as const

type Fields = Record<string, unknown>

export function Actions() {
  const { t, name } = useWords()
  const { data, error } = useQuery({
    queryKey: ['actions'],
    queryFn: () => asked<{ actions: ActionRow[] }>(api.GET('/api/v1/actions')),
    meta: { live: true },
  })
  const rows = data?.actions ?? []
  const undone = new Set(rows.map((row) => row.undoes).filter(Boolean))
  return (
    <Page title={t('actions.title')}>
      <Failed error={error} />
      <Table
        label={t('actions.title')}
        rows={rows}
        id={(row) => row.key}
        empty={data ? t('actions.none') : ''}
        columns={[
          { head: t('col.at'), cell: (row) => <Ago at={row.intended_at} /> },
          { head: t('col.action'), cell: (row) => actionText(row.action as Fields, name) },
          { head: t('col.by'), cell: (row) => row.by, wide: true },
          { head: t('col.incident'), cell: (row) => row.incident && <IncidentLink id={row.incident} />, wide: true },
          { head: t('col.outcome'), cell: (row) => outcomeText(row.outcome, name) },
          { head: t('col.undo'), cell: (row) => !undone.has(row.key) && row.undo && <Undo row={row} /> },
        ]}
      />
      <Autonomy />
    </Page>
  )
}

const once = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')

// Goes through the same gate as everything else, and says what the gate said.
function Undo({ row }: { row: ActionRow }) {
  const { t, name } = useWords()
  const may = useMay('act')
  const [said, setSaid] = useState<string | null>(null)
  // The same while nobody has heard the answer: whoever asks again after a lost one does not do it twice.
  const [key, setKey] = useState(once)
  if (!may) return null
  return (
    <>
      <Ask
        title={t('actions.undo')}
        renews={[['actions']]}
        run={({ by }) => {
          const body = { action: row.undo, by, reason: t('actions.undoReason') } as never
          return asked(api.POST('/api/v1/actions', { body, params: { header: { 'Idempotency-Key': key } } }))
        }}
        done={(answer) => {
          const { gate, outcome } = answer as { gate?: { because?: string }; outcome?: unknown }
          setKey(once())
          setSaid(outcome ? outcomeText(outcome, name) : (gate?.because ?? null))
        }}
      >
        <p className="lead">{actionText(row.undo as Fields, name)}</p>
        <p className="muted">{t('actions.undoOf', { action: actionText(row.action as Fields, name) })}</p>
      </Ask>
      {said && <p role="status">{said}</p>}
    </>
  )
}

// What midwatch may do by itself, and what its record proves.
function Autonomy() {
  const { t, name } = useWords()
  const may = useMay('act')
  const { data, error } = useQuery({
    queryKey: ['autonomy'],
    queryFn: () => asked<{ combinations: Standing[] }>(api.GET('/api/v1/autonomy')),
    meta: { live: true },
  })
  return (
    <Section title={t('autonomy.title')}>
      <p className="muted">{t('autonomy.hint')}</p>
      <Failed error={error} />
      <Table
        label={t('autonomy.title')}
        rows={data?.combinations ?? []}
        id={(row) => `${row.action} ${row.service} ${row.cause}`}
        empty={data ? t('autonomy.none') : ''}
        columns={[
          { head: t('col.action'), cell: (row) => name('action', row.action) },
          { head: t('col.service'), cell: (row) => row.service },
          { head: t('col.cause'), cell: (row) => name('cause', row.cause), wide: true },
          { head: t('autonomy.level'), cell: (row) => <span title={row.why}>{t(`mode.${row.mode}`)}</span> },
          { head: t('autonomy.proves'), cell: (row) => (row.share_low == null ? '–' : t('autonomy.share', { ...row.record, percent: percent(row.share_low) })), wide: true },
          { head: t('autonomy.suggestion'), cell: (row) => row.suggestion ?? '', wide: true },
          { head: t('autonomy.set'), cell: (row) => may && <SetLevel row={row} /> },
        ]}
      />
    </Section>
  )
}

function SetLevel({ row }: { row: Standing }) {
  const { t, name } = useWords()
  const { action, service, cause } = row
  return (
    <Ask
      title={t('autonomy.set')}
      renews={[['autonomy']]}
      run={({ by, text }) => {
        const body = { action, service, cause, level: text('level'), by, reason: text('reason') } as never
        return asked(api.POST('/api/v1/autonomy', { body }))
      }}
    >
      <p>{`${name('action', action)} ${service}: ${name('cause', cause)}`}</p>
      <label>
        {t('autonomy.level')}
        <select name="level" defaultValue={row.mode}>
          {LEVELS.map((level) => (
            <option key={level} value={level}>
              {t(`mode.${level}`)}
            </option>
          ))}
        </select>
      </label>
      <Field label={t('col.reason')} name="reason" required />
    </Ask>
  )
}
