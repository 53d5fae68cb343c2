import { defineConfig } from '@playwright/test'

// Who starts this has started a midwatch and a lab, and says where. The browser is the machine's own.
export default defineConfig({
  testDir: 'e2e',
  outputDir: `${process.env.MIDWATCH_E2E_OUTPUT ?? 'e2e-output'}/failures`,
  // A busy machine is slow and nothing else: nothing here is measured, so that nothing hurries. On one left to itself the
  // longest takes three minutes.
  timeout: 600_000,
  expect: { timeout: 120_000 },
  workers: 1,
  reporter: 'line',
  use: {
    baseURL: process.env.MIDWATCH_URL,
    actionTimeout: 120_000,
    navigationTimeout: 120_000,
    contextOptions: { reducedMotion: 'reduce' },
    locale: 'en-GB',
    viewport: { width: 1280, height: 860 },
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.MIDWATCH_CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    },
  },
})
