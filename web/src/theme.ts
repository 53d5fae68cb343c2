// Light or dark, as the system says or as somebody chose here.
export type Theme = 'system' | 'light' | 'dark'

const THEME_KEY = 'midwatch.theme'

export function keptTheme(): Theme {
  const kept = localStorage.getItem(THEME_KEY)
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

export function setTheme(theme: Theme) {
  localStorage.setItem(THEME_KEY, theme)
  applyTheme()
}

export function applyTheme() {
  const theme = keptTheme()
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}
