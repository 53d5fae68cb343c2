// The first minute: a midwatch that watches nothing yet, and the button that shows what it is for.
import { expect, test } from '@playwright/test'
import { accessible, fits, picture, serious, watched } from './page'

test('one press starts the lab, and its own dashboard opens', async ({ page }) => {
  const wrong = watched(page)
  await page.goto('/')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Nothing is watched yet')
  await accessible(page)
  await picture(page, 'welcome')
  await page.setViewportSize({ width: 360, height: 740 })
  await fits(page)
  await picture(page, 'narrow-welcome')
  await page.setViewportSize({ width: 1280, height: 860 })
  await page.getByRole('button', { name: 'Start the lab' }).click()
  const link = page.getByRole('link', { name: 'Open it' })
  await expect(link).toBeVisible()
  await accessible(page)
  await picture(page, 'welcome-started')
  // Whoever presses again, or elsewhere, gets the same one.
  const again = await page.request.post('/api/v1/demo', { headers: { 'content-type': 'application/json' } })
  expect((await again.json()).url).toBe(await link.getAttribute('href'))
  expect(serious(wrong)).toEqual([])
  await link.click()
  await expect(page.getByRole('group', { name: 'Services' })).toBeVisible()
  await expect(page.getByRole('link', { name: 'Lab' })).toBeVisible()
})
