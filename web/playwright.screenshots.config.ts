import { defineConfig } from '@playwright/test'

import tests from './playwright.config.ts'

/** `npm run screenshots` writes web/screenshots. */
export default defineConfig({ ...tests, testMatch: '*.screenshots.ts', reporter: 'list' })
