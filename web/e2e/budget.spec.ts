import type { Page } from '@playwright/test'

import { expect, test } from './fixtures'

const PAGES = ['/', '/store', '/changes', '/status', '/transfer', '/sign-in']

/** What the first visit of a page may load, in KB as sent, and how much of it may move afterwards (CLS). */
const BUDGET = { script: 250, css: 40, font: 100, layoutShift: 0.05 }

declare global {
  interface Window {
    layoutShift: number
  }
}

for (const path of PAGES) {
  test(`${path} keeps to its budget`, async ({ page, server }, testInfo) => {
    await server.put('users/ada', '{"name": "Ada"}', { type: 'application/json' })
    await page.addInitScript(() => {
      window.layoutShift = 0
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.layoutShift += (entry as never as Shift).value
      }).observe({ type: 'layout-shift', buffered: true })
    })
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    await expectQuiet(page)

    const sent = await page.evaluate(() =>
      performance
        .getEntriesByType('resource')
        .map((entry) => entry as PerformanceResourceTiming)
        .map(({ name, encodedBodySize }) => ({ name, kilobytes: encodedBodySize / 1000 })),
    )
    const sum = (suffix: RegExp) =>
      sent
        .filter(({ name }) => suffix.test(name))
        .reduce((total, { kilobytes }) => total + kilobytes, 0)
    const loaded = { script: sum(/\.js$/), css: sum(/\.css$/), font: sum(/\.woff2$/) }
    testInfo.annotations.push({ type: 'kilobytes', description: JSON.stringify(loaded) })

    expect(loaded.script).toBeGreaterThan(0)
    expect(loaded.script).toBeLessThan(BUDGET.script)
    expect(loaded.css).toBeLessThan(BUDGET.css)
    expect(loaded.font).toBeLessThan(BUDGET.font)
    expect(await page.evaluate(() => window.layoutShift)).toBeLessThan(BUDGET.layoutShift)
  })
}

interface Shift {
  value: number
}

/** Waits until nothing more is loaded. A feed of changes stays open, so that the network is never idle. */
async function expectQuiet(page: Page) {
  let before = -1
  await expect
    .poll(
      async () => {
        const now = await page.evaluate(() => performance.getEntriesByType('resource').length)
        const isQuiet = now === before
        before = now
        return isQuiet
      },
      { intervals: [500] },
    )
    .toBe(true)
}
