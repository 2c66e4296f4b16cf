import { createServer } from 'vite'

import { expect, test } from './fixtures'

test('the development server shows the dashboard and passes the API on', async ({
  page,
  server,
}) => {
  // It compiles each module when the page asks for it.
  test.slow()
  process.env.VITE_API_URL = server.url
  const dev = await createServer({
    logLevel: 'silent',
    server: { host: '127.0.0.1', port: 0, strictPort: false },
  })
  await dev.listen()
  const url = dev.resolvedUrls?.local[0] ?? ''
  try {
    await server.put('greeting', 'hello')
    const keys = await page.request.get(`${url}keys`)
    expect(await keys.json()).toMatchObject({ keys: [{ key: 'greeting' }] })
    await page.goto(`${url}transfer`)
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
  } finally {
    await dev.close()
  }
})
