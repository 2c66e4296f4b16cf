import { APPEARANCES, expect, expectAccessible, setAppearance, test } from './fixtures'
import type { Server } from './server'

/** Work for the server until it is told to stop: reads that the cache answers, writes, and keys that are not there. */
function load(server: Server) {
  let stopped = false
  const done = (async () => {
    for (let i = 0; !stopped && i < 100_000; i += 1) {
      await server.put(`key/${i % 50}`, `value ${i}`)
      await server.get(`key/${i % 50}`)
      await server.get('missing')
    }
  })()
  return async () => {
    stopped = true
    await done
  }
}

test.describe('load', () => {
  // The test reads what was drawn.
  test.use({ consoleMaySay: /willReadFrequently/ })

  test('shows up in the numbers and the charts', async ({ page, server }) => {
    await page.goto('/status')
    const stop = load(server)
    const numbers = page.getByRole('main').locator('dl').first()
    const number = (label: string) =>
      numbers.locator('dt', { hasText: label }).locator('xpath=following-sibling::dd')
    await expect(number('Requests per second')).toHaveText(/^[1-9][\d,.]*$/, { timeout: 15_000 })
    await expect(number('Latency (95th percentile)')).toHaveText(/^[\d.,]+ (ms|sec)$/)
    await expect(number('Reads from the cache')).toHaveText(/%$/)
    await expect(number('Keys')).toHaveText('50', { timeout: 15_000 })
    await expect(number('Failed requests')).toHaveText('0%')
    const chart = page.getByRole('region', { name: 'Requests per second' })
    await expect(chart.getByRole('img')).toHaveAccessibleName(/All: now [1-9]/)
    // The canvas is not empty: the line has its colour.
    await expect
      .poll(() =>
        chart.locator('canvas').evaluate((canvas: HTMLCanvasElement) => {
          const pixels = canvas
            .getContext('2d')
            ?.getImageData(0, 0, canvas.width, canvas.height).data
          let coloured = 0
          for (let i = 0; pixels && i < pixels.length; i += 4) {
            if ((pixels[i + 1] ?? 0) - (pixels[i] ?? 0) > 60 && (pixels[i + 3] ?? 0) > 200)
              coloured += 1
          }
          return coloured
        }),
      )
      .toBeGreaterThan(10)
    await stop()
  })
})

test('readiness names its checks, and limits are readable', async ({ page }) => {
  await page.goto('/status')
  const readiness = page.getByRole('region', { name: 'Readiness' })
  await expect(readiness.getByText('Ready', { exact: true })).toBeVisible()
  await expect(readiness.getByRole('listitem').filter({ hasText: 'database' })).toContainText('ms')
  const limits = page.getByRole('region', { name: 'Limits' })
  await expect(limits).toContainText('Size of a value')
  await expect(limits).toContainText('1 MB')
})

test.describe('a server that goes away', () => {
  test.use({ consoleMaySay: /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/ })

  test('leaves what is known, marked as old, and comes back', async ({ page, server }) => {
    await page.goto('/status')
    await expect(page.getByText('Failed requests')).toBeVisible()
    await server.stop()
    await expect(page.getByText(/As of .*: the service does not answer/)).toBeVisible()
    await expect(page.getByText('Failed requests')).toBeVisible()
    await expectAccessible(page)
    await server.start()
    await expect(page.getByText(/As of .*: the service does not answer/)).toBeHidden()
  })
})

test.describe('a service with a Grafana and a database GUI', () => {
  test.use({
    serverOptions: [
      '--grafana-url=http://127.0.0.1:3002/d/kverse',
      '--database-gui-url=http://127.0.0.1:5051/',
    ],
  })

  test('leads there', async ({ page }) => {
    await page.goto('/status')
    const grafana = page.getByRole('link', { name: 'Open Grafana' })
    await expect(grafana).toHaveAttribute('href', 'http://127.0.0.1:3002/d/kverse')
    await expect(grafana).toHaveAttribute('rel', 'noreferrer')
    const database = page.getByRole('banner').getByRole('link', { name: 'Database GUI' })
    await expect(database).toHaveAttribute('href', 'http://127.0.0.1:5051/')
    await expect(page.getByRole('contentinfo')).toContainText(/Version \d/)
  })
})

test('the home page leads to a key, and its commands are for this address', async ({
  page,
  server,
}) => {
  await server.put('a key/with ü', 'found me')
  await page.goto('/')
  await expect(page.getByText(`curl ${server.url}/kv/greeting`)).toBeVisible()
  await expect(page.getByText(`export KVERSE_STORE=${server.url}`)).toBeVisible()
  await expect(page.getByText('Ready', { exact: true })).toBeVisible()
  await page.getByRole('searchbox', { name: 'Key or its beginning' }).fill('a key/with ü')
  await page.getByRole('button', { name: 'Look up' }).click()
  await expect(page.getByText('found me')).toBeVisible()
})

for (const appearance of APPEARANCES) {
  test(`the home page is accessible in ${appearance.theme} ${appearance.language}`, async ({
    page,
  }) => {
    await setAppearance(page, appearance)
    await page.goto('/')
    await expect(page.getByText(/^\s*(Ready|Pronto)\s*$/)).toBeVisible()
    await expectAccessible(page)
  })

  test(`the status page is accessible in ${appearance.theme} ${appearance.language}`, async ({
    page,
  }) => {
    await setAppearance(page, appearance)
    await page.goto('/status')
    await expect(page.getByText(/^\s*(Ready|Pronto)\s*$/)).toBeVisible()
    await expect(page.locator('canvas')).toHaveCount(5)
    await expectAccessible(page)
  })
}
