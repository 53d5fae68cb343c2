// Who is signed in. Nothing is kept by the page but, where the server asks nobody, the name for the record.
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext } from 'react'
import { ApiError, api, asked, setCsrf } from './client'
import { useWords } from '../i18n'
import type { Session } from './types'

const NAME_KEY = 'midwatch.name'

interface Standing {
  session: Session
  signOut: () => Promise<void>
}

const Context = createContext<Standing | null>(null)

async function load(): Promise<Session | null> {
  try {
    const session = await asked<Session>(api.GET('/api/v1/session'))
    setCsrf(session.csrf ?? null)
    return session
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null
    throw error
  }
}

export async function signIn(body: { key?: string; user?: string; password?: string }): Promise<Session> {
  const session = await asked<Session>(api.POST('/api/v1/session', { body }))
  setCsrf(session.csrf ?? null)
  return session
}

export function SessionGate({ children, signInPage }: { children: ReactNode; signInPage: ReactNode }) {
  const { t } = useWords()
  const client = useQueryClient()
  const { data, error, refetch } = useQuery({ queryKey: ['session'], queryFn: load, staleTime: Infinity })
  if (error) {
    return (
      <main className="alone" role="alert">
        <h1>{t('error.noServer')}</h1>
        <p>{error.message}</p>
        <button type="button" className="primary" onClick={() => void refetch()}>
          {t('error.again')}
        </button>
      </main>
    )
  }
  if (data === undefined) return null
  if (data === null) return signInPage
  const signOut = async () => {
    await asked(api.DELETE('/api/v1/session'))
    setCsrf(null)
    // First who is signed in: what is shown then asks for nothing any more, and nothing of before is kept.
    client.setQueryData(['session'], null)
    client.removeQueries({ predicate: (query) => query.queryKey[0] !== 'session' })
  }
  return <Context.Provider value={{ session: data, signOut }}>{children}</Context.Provider>
}

export function useStanding(): Standing {
  const standing = useContext(Context)
  if (!standing) throw new Error('outside of SessionGate')
  return standing
}

// Whether whoever looks may also act.
export function useMay(scope: string): boolean {
  const { session } = useStanding()
  return session.scopes.includes(scope) || session.scopes.includes('admin')
}

export function rememberedName(): string {
  return localStorage.getItem(NAME_KEY) ?? ''
}

export function rememberName(name: string) {
  localStorage.setItem(NAME_KEY, name)
}
