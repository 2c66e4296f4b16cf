import { APPEARANCES, expect, expectAccessible, setAppearance, test } from './fixtures'

/** What the page says while the server is away is expected. */
const SERVER_IS_AWAY = [
  /ERR_CONNECTION_REFUSED/,
  /ERR_INCOMPLETE_CHUNKED_ENCODING/,
  /ERR_CONNECTION_RESET/,
]

test('changes appear as others make them, newest first, and lead to the key', async ({
  page,
  server,
}) => {
  await page.goto('/changes')
  await expect(page.getByText('No changes yet')).toBeVisible()
  await expect(page.getByText('Connected')).toBeVisible()
  await server.put('user/1 ü', 'a')
  await server.put('session', 'b', { ttl: '1s' })
  await server.fetch('/kv/user%2F1%20%C3%BC', { method: 'DELETE' })
  const rows = page.getByRole('main').getByRole('listitem')
  await expect(rows.filter({ hasText: 'Expired' })).toContainText('session')
  await expect(rows).toHaveCount(4)
  await expect(rows.nth(0)).toContainText('Expired')
  await expect(rows.nth(1)).toContainText('Deleted')
  await expect(rows.nth(3)).toContainText('Stored')
  await rows.nth(3).getByRole('link', { name: 'user/1 ü' }).click()
  await expect(page).toHaveURL(/\/store\?key=user\/1\+%C3%BC$/)
})

test('paused, changes are counted and shown later', async ({ page, server }) => {
  await page.goto('/changes')
  await expect(page.getByText('Connected')).toBeVisible()
  await server.put('before', '1')
  await expect(page.getByRole('main').getByRole('listitem')).toHaveCount(1)
  await page.getByRole('button', { name: 'Pause' }).click()
  for (let i = 0; i < 128; i += 1) await server.put(`while/${i}`, '1')
  await expect(page.getByText('128 new changes')).toBeVisible()
  await expect(page.getByRole('main').getByRole('listitem')).toHaveCount(1)
  await page.getByRole('button', { name: 'Resume' }).click()
  await expect(page.getByRole('main').getByRole('listitem')).toHaveCount(129)
  await page.getByRole('button', { name: 'Clear' }).click()
  await expect(page.getByText('No changes yet')).toBeVisible()
})

test('the prefix filters, and is part of the address', async ({ page, server }) => {
  await page.goto('/changes')
  await page.getByLabel('Filter by prefix').fill('user/')
  await expect(page).toHaveURL('/changes?prefix=user/')
  await expect(page.getByText('Connected')).toBeVisible()
  await server.put('other', '1')
  await server.put('user/1', '1')
  await expect(page.getByRole('main').getByRole('listitem')).toHaveText([/user\/1/])
  await page.reload()
  await expect(page.getByLabel('Filter by prefix')).toHaveValue('user/')
})

test('at most 1,000 changes are kept, which it says', async ({ page, server }) => {
  await page.goto('/changes')
  await expect(page.getByText('Connected')).toBeVisible()
  for (let batch = 0; batch < 3; batch += 1) {
    const operations = Array.from({ length: 500 }, (_, i) => ({
      op: 'put',
      key: `bulk/${batch}/${i}`,
      value: 'x',
    }))
    await server.fetch('/batch', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ operations }),
    })
  }
  await expect(page.getByText('The newest 1,000 changes are shown.')).toBeVisible()
  await expect(page.getByRole('main').getByRole('listitem')).toHaveCount(1000)
  await expect(page.getByRole('main').getByRole('listitem').first()).toContainText('bulk/2/499')
})

test.describe('a server that crashes', () => {
  test.use({ allowedConsole: SERVER_IS_AWAY })

  test('is connected to again, and no change is missed', async ({ page, server }) => {
    await page.goto('/changes')
    await expect(page.getByText('Connected')).toBeVisible()
    await server.put('before', '1')
    await expect(page.getByRole('main').getByRole('listitem')).toHaveCount(1)
    await server.stop()
    await expect(page.getByText('Reconnecting')).toBeVisible()
    await expectAccessible(page)
    await server.start()
    // Made before the page could know that the server is back.
    await server.put('while-away', '1')
    await page
      .getByRole('button', { name: 'Connect now' })
      .click({ noWaitAfter: true })
      .catch(() => undefined)
    await expect(page.getByText('Connected')).toBeVisible()
    await server.put('after', '1')
    await expect(page.getByRole('main').getByRole('listitem')).toHaveText([
      /after/,
      /while-away/,
      /before/,
    ])
  })
})

test.describe('changes that are not kept for long', () => {
  test.use({
    serverOptions: ['--change-retention', '1s'],
    allowedConsole: [...SERVER_IS_AWAY, /410 \(Gone\)/],
  })

  test('may be missed, and the page says so', async ({ page, server }) => {
    await page.goto('/changes')
    await expect(page.getByText('Connected')).toBeVisible()
    await page.context().setOffline(true)
    await server.stop()
    await expect(page.getByText('Reconnecting')).toBeVisible()
    await server.start()
    // Until the service has forgotten where the page was.
    const position = async () =>
      (await (await server.fetch('/watch', { headers: { Accept: 'application/json' } })).json())
        .position
    const first = await position()
    await expect
      .poll(
        async () => {
          await server.put('missed', '1')
          return (
            await fetch(`${server.url}/watch?since=${first}`, {
              headers: { Accept: 'application/json' },
            })
          ).status
        },
        { timeout: 25_000 },
      )
      .toBe(410)
    await page.context().setOffline(false)
    await expect(page.getByText('Some changes were missed')).toBeVisible()
    await expect(page.getByText('Connected')).toBeVisible()
  })
})

test.describe('a service without a feed', () => {
  test.use({
    serverOptions: ['--change-retention', '0s'],
    allowedConsole: [/501 \(Not Implemented\)/],
  })

  test('says so', async ({ page }) => {
    await page.goto('/changes')
    await expect(page.getByRole('alert')).toContainText('The service does not offer this.')
    await expect(page.getByText('Not available')).toBeVisible()
    await expectAccessible(page)
  })
})

for (const appearance of APPEARANCES) {
  test(`a page of changes is accessible in ${appearance.theme} ${appearance.language}`, async ({
    page,
    server,
  }) => {
    await setAppearance(page, appearance)
    await page.goto('/changes')
    await expect(page.getByText(/^\s*(Connected|Ligado)\s*$/)).toBeVisible()
    await server.put('user/1', 'a')
    await server.put('session', 'b', { ttl: '1s' })
    await server.fetch('/kv/user%2F1', { method: 'DELETE' })
    await expect(page.getByRole('main').getByRole('listitem')).toHaveCount(4)
    await expectAccessible(page)
  })
}
