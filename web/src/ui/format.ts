// Numbers and times as a person on call reads them.
import type { Words } from '../i18n'

const SHARES = new Set(['error_rate', 'cpu', 'memory', 'db_pool', 'up'])

export function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0.1 || share === 0 ? 0 : 1)} %`
}

export function metricValue(metric: string, value: number): string {
  if (SHARES.has(metric)) return `${(value * 100).toFixed(1)} %`
  if (metric === 'latency_p99') return `${value.toFixed(0)} ms`
  if (metric === 'request_rate') return `${value.toFixed(1)}/s`
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toFixed(2)))
}

export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 90) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`
}

export function ago(then: Date, now: Date, words: Words): string {
  const seconds = Math.max(0, Math.round((now.getTime() - then.getTime()) / 1000))
  if (seconds < 60) return words.t('time.ago.s', { n: seconds })
  if (seconds < 3600) return words.t('time.ago.m', { n: Math.floor(seconds / 60) })
  if (seconds < 86400) return words.t('time.ago.h', { n: Math.floor(seconds / 3600) })
  return words.t('time.ago.d', { n: Math.floor(seconds / 86400) })
}

export function clock(at: Date, language: string): string {
  return at.toLocaleTimeString(language === 'zh' ? 'zh-CN' : 'en-GB')
}

export function full(at: Date, language: string): string {
  return at.toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB', {
    dateStyle: 'medium',
    timeStyle: 'medium',
  })
}
