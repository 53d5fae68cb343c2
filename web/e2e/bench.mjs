// Numbers of the dashboard in Chromium, as one line of JSON: `node e2e/bench.mjs URL MINUTES`.
import { chromium } from '@playwright/test'

const [url, minutes] = process.argv.slice(2)
// Times that each is measured.
const ROUNDS = 10
// Milliseconds between changes that the memory is watched under.
const CHANGE_EVERY_MS = 1000

const middle = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

async function firstPaint(browser, path) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 } })
  await page.goto(url + path)
  await page.getByRole('heading', { level: 1 }).waitFor()
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null)
  await page.close()
  return paint
}

// From a choice in a list's filter to the next frame, and to the one that has the rows of that choice: those of the last
// one stay, marked as busy, until then.
async function interaction(page, change) {
  return page.evaluate(async ({ name, field: index, value }) => {
    const field = document.querySelectorAll('.filters select')[index]
    const began = performance.now()
    const set = Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, 'value').set
    set.call(field, value)
    field.dispatchEvent(new Event('change', { bubbles: true }))
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)))
    const frame = performance.now() - began
    const isShown = () => {
      const isAsked = (new URLSearchParams(location.search).get(name) ?? '') === value
      const isThere = document.querySelector('.table-frame[aria-busy="false"], .nothing:not(:empty)')
      return isAsked && isThere && !document.querySelector('[aria-busy="true"]')
    }
    while (!isShown()) await new Promise(requestAnimationFrame)
    return { frame, rows: performance.now() - began }
  }, change)
}

// Each of them once, so that nothing is known from before.
const CHANGES = [
  ...['firing', 'acknowledged', 'suppressed', 'resolved'].map((value) => ({ name: 'status', field: 0, value })),
  { name: 'status', field: 0, value: '' },
  ...['critical', 'high', 'warning', 'info'].map((value) => ({ name: 'severity', field: 1, value })),
]

// The longest time in which the page could not answer while all services are drawn and changes come, milliseconds.
async function stutter(page) {
  await page.evaluate(() => {
    window.__longest = 0
    new PerformanceObserver((list) => {
      for (const one of list.getEntries()) window.__longest = Math.max(window.__longest, one.duration)
    }).observe({ type: 'longtask' })
  })
  for (let number = 0; number < ROUNDS; number++) {
    await change(`stutter ${number}`)
    await page.waitForTimeout(CHANGE_EVERY_MS)
  }
  return page.evaluate(() => window.__longest)
}

// A service comes and goes: everybody's view changes.
async function change(owner) {
  const headers = { 'content-type': 'application/json' }
  await fetch(`${url}/api/v1/services`, { method: 'POST', headers, body: JSON.stringify({ name: 'service-that-comes', owner }) })
  await fetch(`${url}/api/v1/services/service-that-comes`, { method: 'DELETE' })
}

const browser = await chromium.launch({
  executablePath: process.env.MIDWATCH_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--js-flags=--expose-gc', '--enable-precise-memory-info'],
})
const paints = { watch: [], alerts: [], incidents: [] }
for (let round = 0; round < ROUNDS; round++) {
  for (const name of Object.keys(paints)) paints[name].push(await firstPaint(browser, name === 'watch' ? '/' : `/${name}`))
}
const page = await browser.newPage({ viewport: { width: 1280, height: 860 } })
await page.goto(`${url}/alerts`)
await page.locator('tbody tr').first().waitFor()
const interactions = []
for (const one of CHANGES) interactions.push(await interaction(page, one))
await page.goto(url)
await page.getByRole('group', { name: 'Services' }).waitFor()
const drawn = await page.evaluate(async () => {
  const button = document.querySelector('.graph-tools button[aria-pressed]')
  const began = performance.now()
  button.click()
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)))
  return { ms: performance.now() - began, services: document.querySelectorAll('.graph .node').length }
})
const longest = await stutter(page)
const heap = () => page.evaluate(() => (window.gc?.(), performance.memory.usedJSHeapSize / 1e6))
await page.waitForTimeout(5000)
const heaps = [await heap()]
const until = Date.now() + Number(minutes) * 60_000
for (let number = 0, minute = Date.now() + 60_000; Date.now() < until; number++) {
  await change(`owner ${number}`)
  await page.waitForTimeout(CHANGE_EVERY_MS)
  if (Date.now() >= minute) {
    heaps.push(await heap())
    minute += 60_000
  }
}
heaps.push(await heap())
await browser.close()
const medians = Object.fromEntries(Object.entries(paints).map(([name, values]) => [name, middle(values)]))
const worst = (name) => Math.max(...interactions.map((one) => one[name]))
const numbers = { paint_ms: medians, frame_ms: worst('frame'), rows_ms: worst('rows'), each_ms: interactions.map((one) => Math.round(one.rows)), drawn, longest_ms: longest, heaps_mb: heaps }
console.log(JSON.stringify(numbers))
