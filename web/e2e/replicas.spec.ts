import { expect, test as base } from './fixtures'
import { Stack } from './stack'
import { ValuePage } from './value'

/** The dashboard through Nginx, in front of two servers. */
const test = base.extend<object, { stack: Stack }>({
  stack: [
    async ({}, use) => {
      const stack = Stack.start()
      await use(stack)
      stack.remove()
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  baseURL: async ({ stack }, use) => use(stack.url),
})
test.describe.configure({ mode: 'serial', timeout: 60_000 })

const address = (url: string, key: string) => `${url}/kv?key=${encodeURIComponent(key)}`

async function put(url: string, key: string, value: string) {
  const headers = { 'Content-Type': 'text/plain' }
  const response = await fetch(address(url, key), { method: 'PUT', body: value, headers })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
}

async function get(url: string, key: string) {
  const headers = { Accept: 'application/octet-stream' }
  return (await fetch(address(url, key), { headers })).text()
}

for (const key of ['a//b/../c%2Fd', '../..', 'plain']) {
  test(`${key}: written through Nginx, read at both servers, changed at one, deleted`, async ({
    page,
    stack,
  }) => {
    const value = new ValuePage(page)
    await value.create()
    await page.getByLabel('Key', { exact: true }).fill(key)
    await value.editor.fill('from the page')
    await value.save.click()
    await expect(page.getByText(`${key} is saved.`)).toBeVisible()
    for (const number of [1, 2] as const) {
      expect(await get(stack.server(number), key)).toBe('from the page')
    }
    await put(stack.server(2), key, 'from elsewhere')
    await expect(value.editor).toContainText('from elsewhere')
    await value.button('Delete').click()
    await expect(page.getByText(`${key} is deleted.`)).toBeVisible()
  })
}

test.describe('a conflict', () => {
  test.use({ consoleMaySay: /412 \(Precondition Failed\)/ })

  test('with a write at another server is shown', async ({ page, stack }) => {
    await put(stack.server(1), 'shared', 'first')
    const value = new ValuePage(page)
    await value.open('shared')
    await value.edit('written by me')
    await put(stack.server(2), 'shared', 'written by another')
    await expect(page.getByText('Someone else has changed this key')).toBeVisible()
    await value.save.click()
    await expect(page.getByRole('textbox', { name: 'Theirs' })).toContainText('written by another')
    await expect(page.getByRole('textbox', { name: 'Yours' })).toContainText('written by me')
    expect(await get(stack.url, 'shared')).toBe('written by another')
  })
})

test('both servers are in the charts', async ({ page }) => {
  await page.goto('/status')
  await expect(page.getByLabel('Server')).toContainText('All 2 together', { timeout: 30_000 })
  await expect(page.getByText('Shared, serving')).toBeVisible()
})

test.describe('a server that crashes', () => {
  test.use({ consoleMaySay: /ERR_INCOMPLETE_CHUNKED_ENCODING|50[234] \(/ })

  test('is not missed', async ({ page, stack }) => {
    await page.goto('/store')
    await expect(page.getByText('Connected')).toBeVisible()
    stack.kill(1)
    const value = new ValuePage(page)
    await value.create()
    await page.getByLabel('Key', { exact: true }).fill('after')
    await value.editor.fill('the crash')
    await value.save.click()
    await expect(page.getByText('after is saved.')).toBeVisible({ timeout: 20_000 })
    await expect(page.getByText('Connected')).toBeVisible({ timeout: 20_000 })
    await put(stack.server(2), 'after too', 'told')
    await expect(page.getByText('after too')).toBeVisible()
    stack.up()
    expect(await get(stack.server(1), 'after')).toBe('the crash')
  })
})
