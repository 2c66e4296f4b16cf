import { readFile } from 'node:fs/promises'

import type { Page } from '@playwright/test'

import { APPEARANCES, expect, expectAccessible, setAppearance, test } from './fixtures'
import { ADMIN_TOKEN, Server } from './server'

test.use({ consoleMaySay: /net::ERR_|409 \(Conflict\)|422 \(Unprocessable/ })

/** Chromium would show a dialog of the system, which no test can answer. */
const withoutPicker = (page: Page) =>
  page.addInitScript(() => Reflect.deleteProperty(window, 'showSaveFilePicker'))

const exportCard = (page: Page) => page.getByRole('region', { name: 'Export' })
const importCard = (page: Page) => page.getByRole('region', { name: 'Import' })

async function choose(page: Page, lines: string | Buffer, name = 'data.ndjson') {
  const buffer = Buffer.from(lines)
  const mimeType = 'application/x-ndjson'
  await page.getByLabel('Choose').setInputFiles({ name, mimeType, buffer })
}

const startImport = (page: Page) =>
  importCard(page).getByRole('button', { name: 'Import', exact: true }).click()

const count = (page: Page, name: string) =>
  importCard(page)
    .locator('dl div')
    .filter({ has: page.getByText(name, { exact: true }) })
    .locator('dd')

async function exported(page: Page): Promise<string> {
  const download = page.waitForEvent('download')
  await exportCard(page).getByRole('button', { name: 'Export' }).click()
  return readFile(await (await download).path(), 'utf8')
}

const lines = (prefix: string, entries: number, value = 'x') =>
  Array.from(
    { length: entries },
    (_, i) => `${JSON.stringify({ key: `${prefix}${String(i).padStart(6, '0')}`, value })}\n`,
  ).join('')

test('what one service exports, another imports: bytes, text and times of expiry', async ({
  page,
  server,
}) => {
  await withoutPicker(page)
  await server.put('a/text', 'olá\n"quotes"')
  await server.put('a/bytes', new Uint8Array([0, 255, 254, 10]), { type: 'image/png' })
  await server.put('a/ttl', 'soon', { ttl: '1h' })
  await server.put('b/other', 'stays')
  await page.goto('/transfer')
  await exportCard(page).getByLabel('Prefix').fill('a/')
  const file = await exported(page)
  await expect(exportCard(page).getByText('3 entries were exported')).toBeVisible()
  expect(file.split('\n')).toHaveLength(4)
  expect(file).not.toContain('stays')

  const other = await Server.start()
  try {
    await page.goto(`${other.url}/transfer`)
    await choose(page, file)
    await importCard(page).getByRole('button', { name: 'Check the file' }).click()
    await expect(page.getByText('All 3 lines are fine')).toBeVisible()
    await startImport(page)
    await expect(page.getByText('The whole file was imported.')).toBeVisible()
    await expect(count(page, 'imported')).toHaveText('3')
    expect(await other.get('a/text')).toBe('olá\n"quotes"')
    const bytes = await other.fetch('/kv?key=a/bytes', {
      headers: { Accept: 'application/octet-stream' },
    })
    expect(bytes.headers.get('Content-Type')).toBe('image/png')
    expect([...new Uint8Array(await bytes.arrayBuffer())]).toEqual([0, 255, 254, 10])
    const again = await exported(page)
    const entries = (text: string) => text.replaceAll(/"version":"\d+",?/g, '')
    expect(entries(again)).toBe(entries(file))
  } finally {
    await other.remove()
  }
})

test('an export goes to the file that was chosen', async ({ page, server }) => {
  await server.put('a', '1')
  // A file of the browser's own in place of the one that its dialog would give.
  await page.addInitScript(() => {
    Object.assign(window, {
      showSaveFilePicker: async () => {
        const folder = await navigator.storage.getDirectory()
        return folder.getFileHandle('export', { create: true })
      },
    })
  })
  await page.goto('/transfer')
  await exportCard(page).getByRole('button', { name: 'Export' }).click()
  await expect(page.getByText('1 entry was exported')).toBeVisible()
  const text = await page.evaluate(async () => {
    const folder = await navigator.storage.getDirectory()
    return (await (await folder.getFileHandle('export')).getFile()).text()
  })
  expect(JSON.parse(text)).toMatchObject({ key: 'a', value: '1' })
})

test.describe('a service that ends', () => {
  test('during an export leaves no file that looks whole', async ({ page, server }) => {
    test.slow()
    await withoutPicker(page)
    for (let i = 0; i < 60; i++) await server.put(`big/${i}`, 'x'.repeat(1 << 20))
    await page.goto('/transfer')
    let downloads = 0
    page.on('download', () => downloads++)
    await exportCard(page).getByRole('button', { name: 'Export' }).click()
    await exportCard(page).getByRole('button', { name: 'Cancel' }).click()
    await expect(page.getByText('The export was cancelled. No file was kept.')).toBeVisible()
    await exportCard(page).getByRole('button', { name: 'Export' }).click()
    await expect(page.getByText(/entr(y|ies) so far/)).toBeVisible()
    await server.stop()
    await expect(page.getByText('The export broke off')).toBeVisible()
    expect(downloads).toBe(0)
    await server.start()
    await page.getByRole('button', { name: 'Try again' }).click()
    await expect(page.getByText('60 entries were exported')).toBeVisible({ timeout: 60_000 })
  })

  test('during an import leaves it where it was, to go on', async ({ page, server }) => {
    test.slow()
    const entries = 60_000
    await page.goto('/transfer')
    await choose(page, lines('k/', entries, 'x'.repeat(200)))
    await startImport(page)
    await expect(count(page, 'imported')).not.toHaveText('0')
    await server.stop()
    await expect(page.getByText('The service cannot be reached')).toBeVisible()
    await expect(page.getByText(/Whether the lines [\d,]+ to [\d,]+ were stored/)).toBeVisible()
    await expect(page.getByText('Going on is safe')).toBeVisible()
    await server.start()
    await page.getByRole('button', { name: /Go on at line/ }).click()
    await expect(page.getByText('The whole file was imported.')).toBeVisible({ timeout: 60_000 })
    const counted = await server.fetch('/keys?count=true&prefix=k/')
    expect(await counted.json()).toMatchObject({ count: entries })
  })
})

test('an export of a service that is down asks for no file', async ({ page, server }) => {
  await page.goto('/transfer')
  await expect(exportCard(page)).toBeVisible()
  await server.stop()
  await exportCard(page).getByRole('button', { name: 'Export' }).click()
  await expect(page.getByText('The service cannot be reached')).toBeVisible()
})

test('a bad line stops an import, which goes on without it', async ({ page, server }) => {
  const file = `${lines('a', 2)}{"key":"b"}\n${lines('c', 1)}`
  await page.goto('/transfer')
  await choose(page, file)
  await startImport(page)
  await expect(page.getByText('Line 3 cannot be imported.')).toBeVisible()
  await expect(page.getByText('The first 2 lines of the file are done.')).toBeVisible()
  await expect(page.getByText('exactly one of `value` and `value_base64`')).toBeVisible()
  await expect(count(page, 'imported')).toHaveText('2')
  expect(await server.get('c000000')).toBeUndefined()
  await page.getByRole('button', { name: 'Go on without this line' }).click()
  await expect(page.getByText('The whole file was imported.')).toBeVisible()
  await expect(count(page, 'imported')).toHaveText('3')
  expect(await server.get('c000000')).toBe('x')
})

test('a check lists every bad line and sends nothing', async ({ page }) => {
  const bad = [
    'no json',
    '{"key":""}',
    '{"key":"k","value":"v","extra":1}',
    '{"key":"k","value_base64":"*"}',
  ]
  await page.goto('/transfer')
  const sent: string[] = []
  page.on('request', (request) => {
    if (request.method() !== 'GET') sent.push(`${request.method()} ${request.url()}`)
  })
  await choose(page, `${lines('a', 1)}${bad.join('\n')}\n${lines('a', 1)}`)
  await page.getByRole('button', { name: 'Check the file' }).click()
  await expect(page.getByText('4 lines cannot be imported.')).toBeVisible()
  await expect(page.getByRole('row')).toHaveText([
    /Line/,
    /^2It is not JSON/,
    /^3The key is empty/,
    /^4The field “extra” is not known/,
    /^5“value_base64” is not Base64/,
  ])
  expect(sent).toEqual([])
})

test('a key that exists is overwritten, kept, or stops the import', async ({ page, server }) => {
  await server.put('a000001', 'mine')
  await page.goto('/transfer')
  await choose(page, lines('a', 3))
  await page.getByLabel('Stop there').check()
  await startImport(page)
  await expect(page.getByText('The key of line 2 exists already.')).toBeVisible()
  expect(await server.get('a000002')).toBeUndefined()
  await page.getByLabel('Keep it').check()
  await page.getByRole('button', { name: 'Go on at line 2' }).click()
  await expect(page.getByText('The whole file was imported.')).toBeVisible()
  await expect(count(page, 'skipped')).toHaveText('1')
  await expect(count(page, 'imported')).toHaveText('2')
  expect(await server.get('a000001')).toBe('mine')
  await page.getByLabel('Overwrite it').check()
  await startImport(page)
  await expect(count(page, 'imported')).toHaveText('3')
  expect(await server.get('a000001')).toBe('x')
})

test('an import is cancelled between two pieces', async ({ page, server }) => {
  await page.goto('/transfer')
  await choose(page, lines('k/', 100_000, 'x'.repeat(100)))
  await startImport(page)
  await importCard(page).getByRole('button', { name: 'Cancel' }).click()
  await expect(page.getByText('The import was cancelled.')).toBeVisible()
  await expect(page.getByText('Nothing after that was stored.')).toBeVisible()
  const counted = (await (await server.fetch('/keys?count=true')).json()) as { count: number }
  await expect(count(page, 'imported')).toHaveText(counted.count.toLocaleString('en-GB'))
  expect(counted.count).toBeLessThan(100_000)
})

test('an import is not left without a question', async ({ page }) => {
  await page.route('/import?*', () => undefined)
  await page.goto('/transfer')
  await choose(page, lines('k/', 1))
  await startImport(page)
  await page.getByRole('link', { name: 'Status' }).click()
  await expect(page.getByRole('dialog')).toContainText('Leave during the import?')
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Stay', exact: true }).click()
  const question = page.waitForEvent('dialog')
  const closing = page.close({ runBeforeUnload: true })
  const dialog = await question
  expect(dialog.type()).toBe('beforeunload')
  await dialog.dismiss()
  await closing
  await page.getByRole('link', { name: 'Status' }).click()
  await page.getByRole('button', { name: 'Stop and leave' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Status' })).toBeVisible()
})

test.describe('with tokens', () => {
  test.use({
    serverOptions: ['--auth', 'tokens'],
    consoleMaySay: /401 \(Unauthorized\)|403 \(Forbidden\)/,
  })

  test('a token that ends on the way is asked for again, and nothing is lost', async ({
    page,
    server,
  }) => {
    const { id, token } = await server.token('temp', [{ verbs: ['write'], prefix: 'in/' }])
    await page.goto('/transfer')
    await page.getByLabel('Access token').fill(token)
    await page.getByLabel('Access token').press('Enter')
    await expect(page.getByText('Your token does not allow exports')).toBeVisible()
    await expect(importCard(page).getByLabel('Prefix')).toHaveValue('in/')
    await importCard(page).getByLabel('Prefix').fill('other/')
    await expect(page.getByText('Your token allows this below in/ only.')).toBeVisible()
    await importCard(page).getByLabel('Prefix').fill('in/x')
    await choose(page, lines('in/x', 2))
    await server.fetch(`/tokens/${id}`, { method: 'DELETE' })
    await expect.poll(() => server.status('/tokens/self', token)).toBe(401)
    await startImport(page)

    const dialog = page.getByRole('dialog', { name: 'Sign in again' })
    await expect(dialog.getByText('Your token is not valid any more')).toBeVisible()
    await expectAccessible(page)
    // Who wants to look at the page first can.
    await page.keyboard.press('Escape')
    await expect(dialog).toBeHidden()
    await expect(importCard(page).getByLabel('Prefix')).toHaveValue('in/x')
    await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).click()
    await dialog.getByLabel('Access token').fill(ADMIN_TOKEN)
    await dialog.getByRole('button', { name: 'Sign in', exact: true }).click()
    await expect(dialog).toBeHidden()
    await expect(importCard(page).getByLabel('Prefix')).toHaveValue('in/x')
    await page.getByRole('button', { name: 'Go on at line 1' }).click()
    await expect(page.getByText('The whole file was imported.')).toBeVisible()
    expect(await server.get('in/x000001')).toBe('x')
  })
})

for (const appearance of APPEARANCES) {
  test(`no accessibility violation in ${appearance.theme} ${appearance.language}`, async ({
    page,
  }) => {
    await setAppearance(page, appearance)
    await page.goto('/transfer')
    await page.getByLabel(/^(Choose|Escolher)/).setInputFiles({
      name: 'data.ndjson',
      mimeType: '',
      buffer: Buffer.from(`${lines('a', 2)}bad\n`),
    })
    await page.getByRole('button', { name: /Check the file|Verificar/ }).click()
    await expect(page.getByRole('table')).toBeVisible()
    await expectAccessible(page)
    await page.getByRole('button', { name: /^(Import|Importar)$/ }).click()
    await expect(page.getByText(/Line 3 cannot|A linha 3 não/)).toBeVisible()
    await expectAccessible(page)
  })
}
