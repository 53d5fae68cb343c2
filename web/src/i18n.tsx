// Words in the reader's language, and times in their zone.
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import { en, type MessageKey, zh } from './messages'
import type { Kind } from './names'

export type Language = 'en' | 'zh'

const LANGUAGE_KEY = 'midwatch.language'
const catalogues = { en, zh }

type Values = Record<string, string | number>

export interface Words {
  language: Language
  setLanguage: (language: Language) => void
  t: (key: MessageKey, values?: Values) => string
  // As `t`, for words of a closed list that come as data; what has no message is shown as it is.
  name: (kind: Kind, word: string) => string
}

const Context = createContext<Words | null>(null)

function preferred(): Language {
  const kept = localStorage.getItem(LANGUAGE_KEY)
  if (kept === 'en' || kept === 'zh') return kept
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

function filled(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, set] = useState<Language>(preferred)
  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  }, [language])
  const words = useMemo<Words>(() => {
    const catalogue: Record<MessageKey, string> = catalogues[language]
    return {
      language,
      setLanguage: (next) => {
        localStorage.setItem(LANGUAGE_KEY, next)
        set(next)
      },
      t: (key, values = {}) => filled(catalogue[key], values),
      name: (kind, word) => catalogue[`${kind}.${word}` as MessageKey] ?? word.replaceAll('_', ' '),
    }
  }, [language])
  return <Context.Provider value={words}>{children}</Context.Provider>
}

export function useWords(): Words {
  const words = useContext(Context)
  if (!words) throw new Error('outside of LanguageProvider')
  return words
}

export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
