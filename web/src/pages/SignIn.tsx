import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { signIn } from '../api/session'
import { useWords } from '../i18n'

export function SignIn() {
  const { t } = useWords()
  const client = useQueryClient()
  const [withKey, setWithKey] = useState(true)
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget)
    const of = (name: string) => String(fields.get(name) ?? '')
    setBusy(true)
    try {
      const body = withKey ? { key: of('key') } : { user: of('user'), password: of('password') }
      client.setQueryData(['session'], await signIn(body))
    } catch (wrong) {
      setError(wrong instanceof Error ? wrong.message : String(wrong))
      setBusy(false)
    }
  }
  return (
    <main className="alone">
      <h1>midwatch</h1>
      <form onSubmit={(event) => void submit(event)} className="stack">
        {withKey ? (
          <label>
            {t('session.key')}
            <input name="key" type="password" autoComplete="off" required autoFocus />
          </label>
        ) : (
          <>
            <label>
              {t('session.user')}
              <input name="user" autoComplete="username" required autoFocus />
            </label>
            <label>
              {t('session.password')}
              <input name="password" type="password" autoComplete="current-password" required />
            </label>
          </>
        )}
        {error && (
          <p className="failed" role="alert">
            {error}
          </p>
        )}
        <button type="submit" className="primary" disabled={busy}>
          {t('session.in')}
        </button>
        <button type="button" className="plain" onClick={() => setWithKey(!withKey)}>
          {t(withKey ? 'session.withPassword' : 'session.withKey')}
        </button>
      </form>
    </main>
  )
}
