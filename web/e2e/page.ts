// What every test of a page looks at: nothing that the policy forbids, nothing that fails, nobody shut out.
import AxeBuilder from '@axe-core/playwright'
import { expect, type Locator, type Page } from '@playwright/test'

const output = process.env.MIDWATCH_E2E_OUTPUT ?? 'e2e-output'

// Collects what must not happen on a page.
export function watched(page: Page): string[] {
  const wrong: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') wrong.push(`${message.text()} (${message.location().url})`)
  })
  page.on('pageerror', (error) => wrong.push(String(error)))
  page.on('request', (request) => {
    const url = new URL(request.url())
    const own = url.origin === new URL(page.url() === 'about:blank' ? request.url() : page.url()).origin
    if (!own && !['data:', 'blob:'].includes(url.protocol)) wrong.push(`asked elsewhere: ${request.url()}`)
  })
  return wrong
}

// Serious findings of axe on the page as it is: of all its rules for WCAG AA, or of some.
export async function accessible(page: Page, rules?: string[]) {
  const axe = new AxeBuilder({ page })
  const found = await (rules ? axe.withRules(rules) : axe.withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'])).analyze()
  const serious = found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)).toEqual([])
}

export async function picture(page: Page, name: string) {
  await page.screenshot({ path: `${output}/${name}.png`, fullPage: true })
}

// Bytes that came over the wire for the page, packed as they came.
export async function transferred(page: Page): Promise<number> {
  return page.evaluate(() => {
    const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')] as PerformanceResourceTiming[]
    return all.filter((one) => !new URL(one.name).pathname.startsWith('/api/')).reduce((sum, one) => sum + one.encodedBodySize, 0)
  })
}

// Things between which Tab goes on one page, at most; more is no page for a keyboard.
const STOPS_MAX = 250

// Goes there as somebody without a mouse does.
export async function reach(page: Page, target: Locator) {
  await expect(target).toBeEnabled()
  for (let stops = 0; stops < STOPS_MAX; stops++) {
    if (await target.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`Tab does not lead to ${target}`)
}

// Nothing is wider than the window; what is, is named.
export async function fits(page: Page) {
  const over = await page.evaluate(() => {
    if (document.documentElement.scrollWidth <= window.innerWidth) return []
    const wide = [...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1)
    return wide.slice(0, 5).map((one) => `${one.tagName} ${one.className}: ${one.textContent?.slice(0, 80)}`)
  })
  expect(over).toEqual([])
}

// What the page shows has come, and goes on coming.
export async function settled(page: Page) {
  await expect(page.getByRole('status').first()).toHaveText('Live')
  await expect(page.locator('main[data-loading="false"]')).toBeVisible()
}

// What the browser notes and nothing is wrong with: that nobody was signed in yet, and that another was faster.
export function serious(wrong: string[]): string[] {
  const isExpected = (line: string) =>
    (line.includes('status of 401') && line.includes('/api/v1/session')) || (line.includes('status of 409') && /\/(approvals|postmortem)\)$/.test(line))
  return wrong.filter((line) => !isExpected(line))
}
