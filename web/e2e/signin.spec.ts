import { expect, test } from '@playwright/test'
import { accessible, picture, watched } from './page'

// The key of the server that is started for this test.
const KEY = 'a-key-for-this-test'

test('a wrong key is refused, the right one is kept where no script reads it, and signing out ends it', async ({ page, context }) => {
  const wrong = watched(page)
  await page.goto('/incidents')
  const key = page.getByLabel('API key')
  await expect(key).toBeVisible()
  await accessible(page)
  await picture(page, 'sign-in')
  await key.fill('guess')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('alert')).toContainText('no key of this server')
  await key.fill(KEY)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Incidents')
  await expect(page.getByRole('status').first()).toHaveText('Live')
  const [cookie] = await context.cookies()
  expect(cookie).toMatchObject({ name: 'midwatch_session', httpOnly: true, sameSite: 'Strict' })
  expect(await page.evaluate(() => document.cookie + JSON.stringify(localStorage))).not.toContain(KEY)
  await page.getByRole('button', { name: /Sign out/ }).click()
  await expect(key).toBeVisible()
  expect(await context.cookies()).toEqual([])
  // The browser itself notes each refused request; nothing else went wrong.
  expect(wrong.filter((line) => !line.includes('401'))).toEqual([])
})
