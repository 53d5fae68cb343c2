// Text from outside that wants to run: in every field that an alert has, on every page that shows it.
import { expect, test } from '@playwright/test'
import { picture, settled, watched } from './page'

const KEY = 'a-key-for-this-test'

const DO = 'window.__ran=1'
const VECTORS = [
  `<script>${DO}</script>`,
  `<img src=x onerror="${DO}">`,
  `<svg onload="${DO}">`,
  `<svg><script>${DO}</script></svg>`,
  `<iframe srcdoc="<script>parent.__ran=1</script>"></iframe>`,
  `<iframe src="javascript:parent.__ran=1"></iframe>`,
  `<a href="javascript:${DO}">x</a>`,
  `[x](javascript:${DO})`,
  `![x](x" onerror="${DO})`,
  `<details open ontoggle="${DO}">`,
  `<input autofocus onfocus="${DO}">`,
  `<video><source onerror="${DO}"></video>`,
  `<math><mtext></p><script>${DO}</script></math>`,
  `<style>@import 'javascript:${DO}'</style>`,
  `<base href="javascript:/a/">`,
  `<meta http-equiv="refresh" content="0;url=javascript:${DO}">`,
  `<object data="javascript:${DO}"></object>`,
  `<form action="javascript:${DO}"><button>x</button></form>`,
  `<body onload="${DO}">`,
  `<template><script>${DO}</script></template>`,
  `{{constructor.constructor('${DO}')()}}`,
  `\${${DO}}`,
  `<!--><script>${DO}</script>-->`,
  `<noscript><p title="</noscript><script>${DO}</script>">`,
  `<x contenteditable onblur="${DO}" autofocus>`,
]
const AROUND: ((text: string) => string)[] = [
  (text) => text,
  (text) => `">${text}`,
  (text) => `'>${text}`,
  (text) => `</title></textarea></script>${text}`,
  (text) => `\`\`\`\n${text}\n\`\`\``,
  (text) => `\u0000\u202e${text}`,
  (text) => text.replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
  (text) => text.toUpperCase().replaceAll('WINDOW.__RAN', 'window.__ran'),
]
const CORPUS = VECTORS.flatMap((vector) => AROUND.map((around) => around(vector)))

test('none of two hundred hostile texts runs, and the policy has nothing to forbid', async ({ page, request }) => {
  expect(CORPUS.length).toBeGreaterThanOrEqual(200)
  const wrong = watched(page)
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      ;(window as unknown as Record<string, unknown>).__violation = `${event.violatedDirective} ${event.blockedURI}`
    })
  })
  page.on('dialog', (dialog) => wrong.push(`a dialog: ${dialog.message()}`))
  const alerts = CORPUS.map((text, i) => ({
    service: 'payment-service',
    title: text.slice(0, 480),
    severity: 'critical',
    labels: { alertname: `hostile-${i}`, text, summary: text },
  }))
  const headers = { 'x-api-key': KEY }
  for (let i = 0; i < alerts.length; i += 50) {
    const answer = await request.post('/api/v1/ingest/generic', { headers, data: alerts.slice(i, i + 50) })
    expect(answer.status(), await answer.text()).toBe(202)
  }
  const asked = async (path: string, data: unknown) => {
    const answer = await request.post(path, { headers, data })
    expect(answer.ok(), `${path}: ${await answer.text()}`).toBe(true)
  }
  const changes = CORPUS.map((text, i) => ({ id: `change-${i}`, service: 'payment-service', kind: 'deploy', from: text, to: text, by: text, title: text.slice(0, 200) }))
  for (let i = 0; i < changes.length; i += 50) await asked('/api/v1/changes', changes.slice(i, i + 50))
  const endsAt = new Date(Date.now() + 3_600_000).toISOString()
  for (const text of CORPUS) {
    const matchers = [{ name: 'text', value: text, isRegex: false, isEqual: true }]
    await asked('/api/v2/silences', { matchers, startsAt: new Date().toISOString(), endsAt, createdBy: text, comment: text })
  }
  await page.goto('/')
  await page.getByLabel('API key').fill(KEY)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
  const { incidents } = await (await request.get('/api/v1/incidents?limit=20', { headers })).json()
  for (const [i, { id }] of incidents.slice(0, 5).entries()) {
    const [by, reason] = [CORPUS[i], CORPUS[CORPUS.length - 1 - i]]
    await asked(`/api/v1/incidents/${id}/acknowledge`, { by })
    await asked(`/api/v1/incidents/${id}/assign`, { by, to: reason })
    await asked(`/api/v1/incidents/${id}/snooze`, { by, until: endsAt, reason })
  }
  const paths = ['/', '/incidents', '/alerts', '/actions', '/settings', '/services', '/silences', '/routing', '/knowledge']
  paths.push(...incidents.slice(0, 5).flatMap(({ id }: { id: string }) => [`/incidents/${id}`, `/incidents/${id}/replay`]))
  for (const path of paths) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    await settled(page)
    for (let more = 0; path === '/alerts' && more < 5; more++) {
      const button = page.getByRole('button', { name: 'More' })
      // The last page takes the button away, also just before it is pressed.
      await button.click({ timeout: 3000 }).catch(() => undefined)
      await settled(page)
    }
    const state = await page.evaluate(() => {
      const { __ran, __violation } = window as unknown as Record<string, unknown>
      return { ran: __ran ?? null, violation: __violation ?? null }
    })
    expect(state, path).toEqual({ ran: null, violation: null })
  }
  for (const path of ['alerts', 'silences']) {
    await page.goto(`/${path}`)
    await settled(page)
    await picture(page, `${path}-hostile`)
  }
  expect(wrong.filter((line) => !line.includes('401'))).toEqual([])
})
