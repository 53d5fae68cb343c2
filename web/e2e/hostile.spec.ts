// Text from outside that wants to run: in every field that an alert has, on every page that shows it.
import { expect, test } from '@playwright/test'
import { picture, serious, settled, watched } from './page'

const KEY = 'a-key-for-this-test'

// The lab's machine may be busy: what is waited for may take this long.
const PATIENCE_MS = 600_000

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
  // Somebody or something else may have been faster with one that is told about twice.
  const asked = async (path: string, data: unknown, or: number[] = []) => {
    const answer = await request.post(path, { headers, data })
    expect(answer.ok() || or.includes(answer.status()), `${path}: ${await answer.text()}`).toBe(true)
  }
  const changes = CORPUS.map((text, i) => ({ id: `change-${i}`, service: 'payment-service', kind: 'deploy', from: text, to: text, by: text, title: text.slice(0, 200) }))
  for (let i = 0; i < changes.length; i += 50) await asked('/api/v1/changes', changes.slice(i, i + 50))
  const endsAt = new Date(Date.now() + 3_600_000).toISOString()
  for (let i = 0; i < CORPUS.length; i += 10) {
    const silences = CORPUS.slice(i, i + 10).map((text) => {
      const matchers = [{ name: 'text', value: text, isRegex: false, isEqual: true }]
      return asked('/api/v2/silences', { matchers, startsAt: new Date().toISOString(), endsAt, createdBy: text, comment: text })
    })
    await Promise.all(silences)
  }
  let incidents: { id: string }[] = []
  await expect
    .poll(async () => {
      incidents = (await (await request.get('/api/v1/incidents?open=true&limit=20', { headers })).json()).incidents
      return incidents.length
    }, { timeout: PATIENCE_MS })
    .toBeGreaterThan(0)
  incidents = incidents.slice(0, 5)
  for (const [i, { id }] of incidents.entries()) {
    const [by, reason] = [CORPUS[i], CORPUS[CORPUS.length - 1 - i]]
    await asked(`/api/v1/incidents/${id}/acknowledge`, { by }, [409])
    await asked(`/api/v1/incidents/${id}/assign`, { by, to: reason }, [409])
    await asked(`/api/v1/incidents/${id}/snooze`, { by, until: endsAt, reason }, [409])
  }
  await page.goto('/')
  await page.getByLabel('API key').fill(KEY)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('status').first()).toHaveText('Live')
  const paths = ['/', '/incidents', '/alerts', '/actions', '/settings', '/services', '/silences', '/routing', '/knowledge']
  paths.push(...incidents.flatMap(({ id }) => [`/incidents/${id}`, `/incidents/${id}/replay`]))
  // Pages that show nothing of it would prove nothing.
  const showing = ['/', '/alerts', '/silences', `/incidents/${incidents[0].id}`]
  for (const path of paths) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    await settled(page)
    if (showing.includes(path)) await expect(page.locator('main')).toContainText(/__ran/i)
    const rows = page.locator('main tbody tr')
    const more = page.getByRole('button', { name: 'More' })
    // The button goes with the last page.
    for (let n = 1; path === '/alerts' && n < 5 && (await more.isVisible()); n++) await more.click({ timeout: 30_000 }).catch(() => undefined)
    if (path === '/alerts') {
      await expect.poll(() => rows.count()).toBeGreaterThan(50)
      await page.getByRole('link', { name: /^Why/ }).first().click()
      await expect(page.getByRole('dialog').locator('.timeline li').first()).toBeVisible()
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
  expect(serious(wrong)).toEqual([])
})
