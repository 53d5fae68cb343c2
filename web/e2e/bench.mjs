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

// From a choice in a list's filter to the next frame that has its rows.
async function interaction(page, change, rows) {
  return page.evaluate(
    async ({ selector, value, rows }) => {
      const field = document.querySelector(selector)
      const began = performance.now()
      const set = Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, 'value').set
      set.call(field, value)
      field.dispatchEvent(new Event('change', { bubbles: true }))
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)))
      const shown = performance.now() - began
      while (document.querySelectorAll(rows).length === 0) await new Promise(requestAnimationFrame)
      return { frame: shown, rows: performance.now() - began }
    },
    { ...change, rows },
  )
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
for (let round = 0; round < ROUNDS; round++) {
  interactions.push(await interaction(page, { selector: '.filters select', value: round % 2 ? '' : 'firing' }, 'tbody tr'))
}
await page.goto(url)
await page.getByRole('group', { name: 'Services' }).waitFor()
const heap = () => page.evaluate(() => (window.gc?.(), performance.memory.usedJSHeapSize / 1e6))
await page.waitForTimeout(5000)
const before = await heap()
const until = Date.now() + Number(minutes) * 60_000
for (let number = 0; Date.now() < until; number++) {
  await fetch(`${url}/api/v1/services`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'service-0', owner: `owner ${number}` }),
  })
  await page.waitForTimeout(CHANGE_EVERY_MS)
}
const after = await heap()
await browser.close()
const medians = Object.fromEntries(Object.entries(paints).map(([name, values]) => [name, middle(values)]))
const worst = (name) => Math.max(...interactions.map((one) => one[name]))
console.log(JSON.stringify({ paint_ms: medians, frame_ms: worst('frame'), rows_ms: worst('rows'), heap_before_mb: before, heap_after_mb: after }))
