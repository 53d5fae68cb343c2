import { expect, test } from '@playwright/test'
import { accessible, picture, serious, watched } from './page'

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
  expect(cookie.name).toMatch(/^midwatch_session_\d+$/)
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' })
  expect(await page.evaluate(() => document.cookie + JSON.stringify(localStorage))).not.toContain(KEY)
  await page.getByRole('button', { name: /Sign out/ }).click()
  await expect(key).toBeVisible()
  expect(await context.cookies()).toEqual([])
  expect(serious(wrong)).toEqual([])
})

test('a session that ends elsewhere leads to the sign-in page by itself', async ({ page, context }) => {
  await page.goto('/incidents')
  await page.getByLabel('API key').fill(KEY)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('status').first()).toHaveText('Live')
  const answer = await context.request.delete('/api/v1/session')
  expect(answer.status()).toBe(204)
  await expect(page.getByLabel('API key')).toBeVisible()
})
