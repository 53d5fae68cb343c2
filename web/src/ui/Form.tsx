// A question in a dialog: some fields, who asks, and one button that does it.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { rememberedName, rememberName, useStanding } from '../api/session'
import { useWords } from '../i18n'
import { Failed } from './parts'

export interface Answers {
  by: string
  text: (name: string) => string
  all: (name: string) => string[]
}

interface Props {
  // What opens it, and what its head says.
  title: string
  // What its button says, where that is not the title.
  confirm?: string
  danger?: boolean
  children?: ReactNode
  // What is looked at anew once it is done.
  renews: readonly unknown[][]
  run: (answers: Answers) => Promise<unknown>
  done?: (answer: unknown) => void
}

export function Ask({ title, ...rest }: Props) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <button type="button" onClick={() => setOpen(true)} aria-haspopup="dialog">
        {title}
      </button>
      {open && <Dialog title={title} {...rest} close={() => setOpen(false)} />}
    </>
  )
}

function Dialog({ title, confirm = title, danger = false, children, renews, run, done, close }: Props & { close: () => void }) {
  const { t } = useWords()
  const { session } = useStanding()
  const client = useQueryClient()
  const dialog = useRef<HTMLDialogElement>(null)
  const [name, setName] = useState(rememberedName)
  useEffect(() => dialog.current?.showModal(), [])
  const ask = useMutation({
    mutationFn: (form: FormData) => {
      const by = session.name ?? name.trim()
      if (!session.name) rememberName(by)
      return run({ by, text: (field) => String(form.get(field) ?? '').trim(), all: (field) => form.getAll(field).map(String) })
    },
    onSuccess: (answer) => {
      for (const queryKey of renews) void client.invalidateQueries({ queryKey })
      close()
      done?.(answer)
    },
  })
  return (
    <dialog ref={dialog} className="ask" aria-label={title} onClose={close} onCancel={close}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          ask.mutate(new FormData(event.currentTarget))
        }}
      >
        <h2>{title}</h2>
        {children}
        {!session.name && (
          <label>
            {t('approve.by')}
            <input value={name} onChange={(event) => setName(event.target.value)} autoComplete="name" required />
          </label>
        )}
        <Failed error={ask.error} />
        <div className="row">
          <button type="submit" className={danger ? 'danger' : 'primary'} disabled={ask.isPending}>
            {confirm}
          </button>
          <button type="button" onClick={close}>
            {t('form.cancel')}
          </button>
        </div>
      </form>
    </dialog>
  )
}

export function Field({ label, name, ...rest }: { label: string; name: string; type?: string; required?: boolean; placeholder?: string; defaultValue?: string; list?: string }) {
  return (
    <label>
      {label}
      <input name={name} {...rest} />
    </label>
  )
}
