import { defineConfig } from '@playwright/test'

// Who starts this has started a midwatch and a lab, and says where. The browser is the machine's own.
export default defineConfig({
  testDir: 'e2e',
  outputDir: `${process.env.MIDWATCH_E2E_OUTPUT ?? 'e2e-output'}/failures`,
  timeout: 600_000,
  expect: { timeout: 30_000 },
  workers: 1,
  reporter: 'line',
  use: {
    baseURL: process.env.MIDWATCH_URL,
    actionTimeout: 30_000,
    navigationTimeout: 30_000,
    locale: 'en-GB',
    viewport: { width: 1280, height: 860 },
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.MIDWATCH_CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    },
  },
})
