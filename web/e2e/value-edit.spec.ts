import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { expect, test } from './fixtures'
import { AWKWARD_KEYS, ValuePage } from './value'

const MIB = 1024 * 1024

test('a key is written with its limits in view, and what is wrong is told before it is sent', async ({
  page,
  server,
}) => {
  const value = new ValuePage(page)
  await value.create()
  const key = page.getByLabel('Key', { exact: true })
  await expect(key).toBeFocused()
  await value.save.click()
  await expect(page.getByText('The key is empty.')).toBeVisible()
  await key.fill(`${'é'.repeat(512)}x`)
  await expect(page.getByText('1,025 of 1,024 bytes')).toBeVisible()
  await expect(page.getByText('the limit is 1,024 bytes, this is 1,025')).toBeVisible()
  await key.fill('written')
  await page.getByLabel('Content type').fill('text/plän')
  await expect(page.getByText('may only have ASCII characters')).toBeVisible()
  await page.getByLabel('Content type').fill('text/markdown')
  await page.getByLabel('Expires', { exact: true }).selectOption('In another time')
  await page.getByLabel('Time to live').fill('1 fortnight')
  await value.save.click()
  await expect(page.getByText('This is not a time to live')).toBeVisible()
  await page.getByLabel('Time to live').fill('1h30m')
  await value.editor.fill('# Title')
  await value.save.click()
  await expect(page.getByRole('definition').getByText(/in 1h (30|29)m/)).toBeVisible()
  const stored = await server.fetch('/kv/written')
  expect(stored.headers.get('Content-Type')).toBe('text/markdown')
  expect(await stored.text()).toBe('# Title')
})

test('JSON is checked, can be formatted, and can be saved although it is wrong', async ({
  page,
  server,
}) => {
  await server.put('settings', '{"a":1e400}', { type: 'application/json' })
  const value = new ValuePage(page)
  await value.open('settings')
  await value.button('Edit').click()
  await value.button('Format JSON').click()
  await value.save.click()
  await expect(page.getByText('settings is saved.')).toBeVisible()
  expect(await server.get('settings')).toBe('{\n  "a": 1e400\n}')
  await value.edit('{\n"a": oops}')
  await expect(page.getByText('not valid JSON: line 2, column 6')).toBeVisible()
  await value.save.click()
  await expect(page.getByRole('definition').getByText('12 bytes')).toBeVisible()
  expect(await server.get('settings')).toBe('{\n"a": oops}')
})

test.describe('a file', () => {
  test('is uploaded, chosen or dropped, with its type', async ({ page, server }) => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 31) % 256))
    const value = new ValuePage(page)
    await value.create()
    await page.getByLabel('Key', { exact: true }).fill('upload')
    await page
      .getByLabel('Upload a file')
      .setInputFiles({ name: 'picture.png', mimeType: 'image/png', buffer: bytes })
    await expect(page.getByText('picture.png')).toBeVisible()
    await expect(page.getByLabel('Content type')).toHaveValue('image/png')
    await value.save.click()
    await expect(page.getByText('upload is saved.')).toBeVisible()
    const stored = await server.fetch('/kv/upload')
    expect(stored.headers.get('Content-Type')).toBe('image/png')
    expect(Buffer.from(await stored.arrayBuffer()).equals(bytes)).toBe(true)

    await value.button('Edit').click()
    const dropped = await page.evaluateHandle(() => {
      const transfer = new DataTransfer()
      transfer.items.add(new File(['dropped'], 'note.txt', { type: 'text/plain' }))
      return transfer
    })
    await page
      .getByRole('group', { name: 'Value' })
      .dispatchEvent('drop', { dataTransfer: dropped })
    await expect(page.getByText('note.txt')).toBeVisible()
    await value.save.click()
    await expect(value.editor).toHaveText('dropped')
  })
})

test('a file over the limit is not sent', async ({ page }) => {
  const value = new ValuePage(page)
  await value.create()
  const sent: string[] = []
  page.on('request', (request) => {
    if (request.method() === 'PUT') sent.push(request.url())
  })
  await page.getByLabel('Key', { exact: true }).fill('large')
  await value.editor.fill('typed before')
  await page
    .getByLabel('Upload a file')
    .setInputFiles({ name: 'a', mimeType: 'text/plain', buffer: Buffer.alloc(MIB + 1) })
  await expect(page.getByText('the limit is 1,048,576 bytes, this is 1,048,577')).toBeVisible()
  await expect(value.editor).toHaveText('typed before')
  expect(sent).toEqual([])
})

test.describe('a large file', () => {
  test.use({ serverOptions: ['--max-value-bytes', String(8 * MIB)] })

  test('is sent with progress, and can be stopped', async ({ page, server }) => {
    const client = await page.context().newCDPSession(page)
    const value = new ValuePage(page)
    await value.create()
    await page.getByLabel('Key', { exact: true }).fill('large')
    await page.getByLabel('Upload a file').setInputFiles({
      name: 'large.bin',
      mimeType: 'application/octet-stream',
      buffer: Buffer.alloc(6 * MIB, 7),
    })
    const network = { offline: false, latency: 0, downloadThroughput: -1 }
    await client.send('Network.emulateNetworkConditions', { ...network, uploadThroughput: MIB })
    await value.save.click()
    const progress = page.getByRole('progressbar', { name: 'Uploading' })
    await expect(progress).not.toHaveAttribute('aria-valuenow', '0')
    await page.getByRole('button', { name: 'Cancel' }).first().click()
    await expect(progress).toBeHidden()
    expect(await server.get('large')).toBeUndefined()

    await client.send('Network.emulateNetworkConditions', { ...network, uploadThroughput: -1 })
    await value.save.click()
    await expect(value.button('Load 6 MB')).toBeVisible()
    const stored = await server.fetch('/kv/large', { method: 'HEAD' })
    expect(stored.headers.get('Content-Length')).toBe(String(6 * MIB))
  })
})

test('when a key expires is changed without its value', async ({ page, server }) => {
  await server.put('session', 'stays')
  const value = new ValuePage(page)
  await value.open('session')
  await value.button('Expiry').click()
  await page.getByLabel('Expires', { exact: true }).selectOption('In 1 day')
  await value.save.click()
  await expect(page.getByRole('definition').getByText(/in (1d 0h|23h 59m)/)).toBeVisible()
  await value.button('Expiry').click()
  await page.getByLabel('Expires', { exact: true }).selectOption('Never')
  await value.save.click()
  await expect(page.getByRole('definition').getByText('never')).toBeVisible()
  expect(await server.get('session')).toBe('stays')
})

test('a deleted key is put back as it was: value, type and remaining time', async ({
  page,
  server,
}) => {
  await server.put('precious', '{"a":1}', { type: 'application/json', ttl: '1h' })
  const before = await server.fetch('/kv/precious', { method: 'HEAD' })
  const value = new ValuePage(page)
  await value.open('precious')
  await value.button('Delete').click()
  await expect(page.getByText('precious is deleted.')).toBeVisible()
  expect(await server.get('precious')).toBeUndefined()
  await value.button('Undo').click()
  await expect(page.getByText('precious is back.')).toBeVisible()
  const after = await server.fetch('/kv/precious')
  expect(await after.text()).toBe('{"a":1}')
  expect(after.headers.get('Content-Type')).toBe('application/json')
  const end = (response: Response) => Date.parse(response.headers.get('KVerse-Expires-At') ?? '')
  expect(Math.abs(end(after) - end(before))).toBeLessThan(2000)
})

test.describe(() => {
  test.use({ consoleMaySay: /412 \(Precondition Failed\)/ })

  test('undo does not overwrite what somebody has created meanwhile', async ({ page, server }) => {
    await server.put('shared', 'mine')
    const value = new ValuePage(page)
    await value.open('shared')
    await value.button('Delete').click()
    await expect(value.button('Undo')).toBeVisible()
    await server.put('shared', 'theirs')
    await value.button('Undo').click()
    await expect(page.getByText('Someone else has created shared in the meantime')).toBeVisible()
    expect(await server.get('shared')).toBe('theirs')
  })
})

test.describe('a value that is too large to be kept', () => {
  test.use({ serverOptions: ['--max-value-bytes', String(8 * MIB)] })

  test('is deleted for good, after a question', async ({ page, server }) => {
    await server.put('huge', Buffer.alloc(5 * MIB))
    const value = new ValuePage(page)
    await value.open('huge')
    await value.button('Delete').click()
    await expect(page.getByText('This cannot be undone: only values up to 4 MB')).toBeVisible()
    await page.keyboard.press('Escape')
    expect(await server.get('huge')).toBeDefined()
    await value.button('Delete').click()
    await value.button('Delete for good').click()
    await expect(page.getByText('huge is deleted.')).toBeVisible()
    await expect(value.button('Undo')).toBeHidden()
    expect(await server.get('huge')).toBeUndefined()
  })
})

test.describe('copied commands', () => {
  test.use({ permissions: ['clipboard-read', 'clipboard-write'] })

  test('of curl do what they say, for awkward keys, too', async ({ page, server }) => {
    const directory = await mkdtemp(join(tmpdir(), 'kverse-copy-'))
    const run = promisify(execFile)
    const value = new ValuePage(page)
    for (const key of AWKWARD_KEYS.filter((key) => /['?]|^\.\.$|^ /.test(key))) {
      await server.fetch(`/kv?key=${encodeURIComponent(key)}`, {
        method: 'PUT',
        body: 'before',
        headers: { Accept: 'application/octet-stream', 'Content-Type': `text/plain; a="it's"` },
      })
      await value.open(key)
      await value.button('Copy as…').click()
      const clipboard = () => page.evaluate(() => navigator.clipboard.readText())
      await value.button('Copy the read').click()
      await expect.poll(clipboard).toContain('-o value')
      const get = await clipboard()
      await value.button('Copy the write').click()
      await expect.poll(clipboard).toContain('-T value')
      const put = await clipboard()
      await run('sh', ['-c', get], { cwd: directory })
      expect(await readFile(join(directory, 'value'), 'utf8')).toBe('before')
      await writeFile(join(directory, 'value'), 'after')
      await run('sh', ['-c', put], { cwd: directory })
      expect(await server.get(key)).toBe('after')
    }
    await rm(directory, { recursive: true })
  })
})
