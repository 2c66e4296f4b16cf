import { APPEARANCES, expect, expectAccessible, setAppearance, test } from './fixtures'

/** What the page says while the server is away is expected. */
const SERVER_IS_AWAY =
  /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE/

test.describe('changes of others', () => {
  // The link leads to a key that was deleted.
  test.use({ consoleMaySay: /404 \(Not Found\)/ })

  test('appear as they are made, newest first, and lead to the key', async ({ page, server }) => {
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
  test.use({ consoleMaySay: SERVER_IS_AWAY })

  test('is connected to again, and no change is missed', async ({ page, server }) => {
    await page.goto('/changes')
    await expect(page.getByText('Connected')).toBeVisible()
    await server.put('before', '1')
    await expect(page.getByRole('main').getByRole('listitem')).toHaveCount(1)
    await server.stop()
    await expect(page.getByText('Reconnecting')).toBeVisible()
    await expectAccessible(page)
    await server.start()
    await server.put('while-away', '1')
    await expect(page.getByText('Connected')).toBeVisible()
    await server.put('after', '1')
    await expect(page.getByRole('main').getByRole('listitem')).toHaveText([
      /after/,
      /while-away/,
      /before/,
    ])
  })
})

test.describe('a service whose database was replaced', () => {
  test.use({ consoleMaySay: new RegExp(`${SERVER_IS_AWAY.source}|410 \\(Gone\\)`) })

  test('has lost changes: the page says so, goes on, and reads the list anew', async ({
    page,
    server,
  }) => {
    await server.put('old', '1')
    await page.goto('/changes')
    await expect(page.getByText('Connected')).toBeVisible()
    const store = await page.context().newPage()
    await store.goto(`${server.url}/store?view=list`)
    await expect(store.getByText('Connected')).toBeVisible()
    await expect(store.getByText('old', { exact: true })).toBeVisible()
    await server.replace()
    await server.put('new', '1')
    await expect(page.getByText('Some changes were missed')).toBeVisible()
    await expectAccessible(page)
    await expect(page.getByText('Connected')).toBeVisible()
    await server.put('next', '1')
    await expect(page.getByRole('main').getByRole('listitem')).toHaveText([/next/])
    await expect(store.getByText('new', { exact: true })).toBeVisible()
    await expect(store.getByText('old', { exact: true })).toBeHidden()
  })
})

test('the store page follows what others do, in its list and in the open value', async ({
  page,
  server,
}) => {
  await server.put('user/1', 'first')
  await page.goto('/store?view=list&key=user/1')
  await expect(page.getByText('Connected')).toBeVisible()
  await expect(page.getByText('first')).toBeVisible()
  await server.put('user/1', 'second')
  await expect(page.getByText('second')).toBeVisible()
  await server.put('user/2', 'x')
  await expect(page.getByText('user/2')).toBeVisible()
  await server.fetch('/kv/user%2F2', { method: 'DELETE' })
  await expect(page.getByText('user/2')).toBeHidden()
  await page.getByRole('switch', { name: 'Live' }).click()
  await expect(page.getByText('Connected')).toBeHidden()
  await page.reload()
  await expect(page.getByRole('switch', { name: 'Live' })).not.toBeChecked()
})

test.describe('a service without a feed', () => {
  test.use({
    serverOptions: ['--change-retention', '0s'],
    consoleMaySay: /501 \(Not Implemented\)/,
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
