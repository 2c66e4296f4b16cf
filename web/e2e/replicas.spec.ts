import { expect, test as base } from './fixtures'
import { Stack } from './stack'

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
test.describe.configure({ mode: 'serial' })

const put = async (url: string, key: string, value: string) => {
  const response = await fetch(`${url}/kv?key=${encodeURIComponent(key)}`, {
    method: 'PUT',
    body: value,
    headers: { 'Content-Type': 'text/plain' },
  })
  expect(response.ok).toBe(true)
}
const get = async (url: string, key: string) => {
  const response = await fetch(`${url}/kv?key=${encodeURIComponent(key)}`, {
    headers: { Accept: 'application/octet-stream' },
  })
  return response.text()
}

test('pages are served and what one server stores is seen at once', async ({ page, stack }) => {
  await put(stack.server(1), 'a//b/../c%2Fd', 'from the first')
  await page.goto(`/store?key=${encodeURIComponent('a//b/../c%2Fd')}`)
  await expect(page.getByText('from the first')).toBeVisible()
  expect(await get(stack.server(2), 'a//b/../c%2Fd')).toBe('from the first')
})
