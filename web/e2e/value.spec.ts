import { readFile } from 'node:fs/promises'

import { APPEARANCES, expect, expectAccessible, setAppearance, test } from './fixtures'
import { AWKWARD_KEYS, ValuePage } from './value'

const MIB = 1024 * 1024

test('a value is shown as what it is, with its facts, in every way that fits', async ({
  page,
  server,
}) => {
  const json = '{"big":12345678901234567890,"twice":1,"twice":2}'
  await server.put('settings', json, { type: 'application/json' })
  const value = new ValuePage(page)
  await value.open('settings')
  await expect(value.editor).toContainText('"big": 12345678901234567890')
  await expect(page.getByRole('definition').getByText('application/json')).toBeVisible()
  await expect(page.getByRole('definition').getByText('48 bytes')).toBeVisible()
  await expect(page.getByRole('definition').getByText('never')).toBeVisible()

  await page.getByText('Text', { exact: true }).click()
  await expect(value.editor).toHaveText(json)
  await page.getByText('Hex', { exact: true }).click()
  await expect(page.getByRole('group', { name: 'Hex' })).toContainText('00000000')
  await expect(page.getByRole('group', { name: 'Hex' })).toContainText('{"big":123456789')
})

test('lines of JSON are folded by keyboard', async ({ page, server }) => {
  await server.put('settings', '{"inner":{"deep":1}}', { type: 'application/json' })
  const value = new ValuePage(page)
  await value.open('settings')
  await value.editor.click()
  await page.keyboard.press('Control+Home')
  await page.keyboard.press('Control+Shift+[')
  await expect(value.editor).not.toContainText('deep')
})

test('the keyboard gets into the editor and out of it', async ({ page, server }) => {
  await server.put('note', 'hello')
  const value = new ValuePage(page)
  await value.open('note')
  await value.edit('hello')
  await value.editor.press('Tab')
  await expect(value.editor).toBeFocused()
  await value.editor.press('Escape')
  await value.editor.press('Tab')
  await expect(value.editor).not.toBeFocused()
})

test.describe('without the editor', () => {
  test.use({ consoleMaySay: /CodeEditor/ })

  test('a plain field takes its place', async ({ page, server }) => {
    await page.route('**/assets/CodeEditor*', (route) => route.abort())
    await server.put('note', 'before')
    const value = new ValuePage(page)
    await value.open('note')
    await value.edit('after')
    await value.save.click()
    await expect(page.getByText('note is saved.')).toBeVisible()
    expect(await server.get('note')).toBe('after')
  })
})

test.describe('an image', () => {
  test('is shown, and nothing in it is run', async ({ page, server }) => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" onload="top.ran=1"><script>top.ran=1</script><rect width="40" height="40" fill="teal"/></svg>`
    await server.put('logo', svg, { type: 'image/svg+xml' })
    const value = new ValuePage(page)
    await value.open('logo')
    const image = page.getByRole('img', { name: 'Preview of the value' })
    await expect(image).toHaveJSProperty('naturalWidth', 40)
    expect(await page.evaluate(() => 'ran' in window)).toBe(false)
    await page.getByText('Text', { exact: true }).click()
    await expect(value.editor).toContainText('<rect')

    await server.put('broken', 'this is no PNG', { type: 'image/png' })
    await value.open('broken')
    await expect(page.getByText('not an image that the browser can show')).toBeVisible()
  })
})

test('what is not text is shown as bytes, and cannot be damaged by an editor', async ({
  page,
  server,
}) => {
  const bytes = Uint8Array.from({ length: 3000 }, (_, index) => (index * 7) % 256)
  await server.put('blob', bytes, { type: 'application/x-thing' })
  const value = new ValuePage(page)
  await value.open('blob')
  const hex = page.getByRole('group', { name: 'Hex' })
  await expect(hex).toContainText('00 07 0e 15')
  await hex.evaluate((element) => element.scrollTo(0, element.scrollHeight))
  await expect(hex).toContainText('00000bb0')

  await value.button('Edit').click()
  await expect(page.getByText('This value is not text')).toBeVisible()
  await expect(value.editor).toBeHidden()
  await page.getByLabel('Content type').fill('application/x-other')
  await value.save.click()
  await expect(page.getByRole('definition').getByText('application/x-other')).toBeVisible()
  const stored = await server.fetch('/kv/blob')
  expect(new Uint8Array(await stored.arrayBuffer())).toEqual(bytes)
})

test('text leaves the editor as it came: line ends, byte order mark, odd characters', async ({
  page,
  server,
}) => {
  const text = '\uFEFFone\r\ntwo\r\n\u0000three\u2028'
  await server.put('odd', text)
  const value = new ValuePage(page)
  await value.open('odd')
  await value.button('Edit').click()
  await value.editor.click()
  await page.keyboard.press('Control+End')
  await page.keyboard.type('!')
  await value.save.click()
  await expect(page.getByText('odd is saved.')).toBeVisible()
  const stored = await server.fetch('/kv/odd')
  expect(Buffer.from(await stored.arrayBuffer()).toString()).toBe(`${text}!`)
})

test.describe('a value of 20 MB', () => {
  test.use({ serverOptions: ['--max-value-bytes', String(32 * MIB)] })

  test('is loaded when it is asked for, and downloaded', async ({ page, server }) => {
    const large = Buffer.alloc(20 * MIB, 'large text\n')
    await server.put('large', large)
    const value = new ValuePage(page)
    const loads: string[] = []
    page.on('request', (request) => {
      if (request.method() === 'GET' && request.url().includes('/kv?')) loads.push(request.url())
    })
    await value.open('large')
    await expect(value.button('Load 20 MB')).toBeVisible()
    await expect(page.getByRole('definition').getByText('20 MB')).toBeVisible()
    expect(loads).toEqual([])

    await value.button('Load 20 MB').click()
    await expect(value.editor).toContainText('large text')
    await page.getByText('Hex', { exact: true }).click()
    await expect(page.getByText('Part 1 of 5')).toBeVisible()
    await value.button('Next part').click()
    await expect(page.getByRole('group', { name: 'Hex' })).toContainText('00400000')

    const downloading = page.waitForEvent('download')
    await value.button('Download').click()
    const download = await downloading
    expect(download.suggestedFilename()).toBe('large.txt')
    expect((await readFile(await download.path())).equals(large)).toBe(true)
  })
})

test.describe('a key that is not there, or no more', () => {
  test.use({ consoleMaySay: /404 \(Not Found\)/ })

  test('a key that expires counts down, and says that it has expired', async ({ page, server }) => {
    await server.put('session', 'short', { ttl: '3s' })
    const value = new ValuePage(page)
    await value.open('session')
    await expect(page.getByRole('definition').getByText('in 2s')).toBeVisible()
    await expect(page.getByText('This key has expired.')).toBeVisible()
    // What was there can still be read, and stored again.
    await expect(value.editor).toHaveText('short')
    await value.button('Create it again').click()
    await value.save.click()
    await expect(page.getByText('session is saved.')).toBeVisible()
    expect(await server.get('session')).toBe('short')
  })

  test('a key that does not exist says so and can be created', async ({ page, server }) => {
    const value = new ValuePage(page)
    await value.open('not/there')
    await expect(page.getByText('This key does not exist')).toBeVisible()
    await value.button('Create it').click()
    await value.editor.fill('now it is')
    await value.save.click()
    await expect(page.getByText('not/there is saved.')).toBeVisible()
    expect(await server.get('not/there')).toBe('now it is')
  })

  for (const key of AWKWARD_KEYS) {
    test(`the key ${key.slice(0, 50)} is created, seen, edited and deleted`, async ({
      page,
      server,
    }) => {
      const value = new ValuePage(page)
      await value.create()
      await page.getByLabel('Key', { exact: true }).fill(key)
      await value.editor.fill('first')
      await value.save.click()
      await expect(page.getByRole('heading', { level: 2, name: key, exact: true })).toBeVisible()
      expect(await server.get(key)).toBe('first')

      await value.open(key)
      await expect(value.editor).toHaveText('first')
      await value.edit('second')
      await value.save.click()
      await expect(value.button('Edit')).toBeVisible()
      expect(await server.get(key)).toBe('second')

      await value.button('Delete').click()
      await expect(value.button('Undo')).toBeVisible()
      expect(await server.get(key)).toBeUndefined()
    })
  }
})

for (const appearance of APPEARANCES.filter(({ language }) => language === 'en')) {
  test.describe(`in the ${appearance.theme} theme`, () => {
    test.use({ consoleMaySay: /404|412/ })

    test.beforeEach(async ({ page, server }) => {
      await setAppearance(page, appearance)
      const json = '{"text":"b","number":1,"truth":true}'
      await server.put('a', json, { type: 'application/json', ttl: '1h' })
      await new ValuePage(page).open('a')
    })

    test('every view is accessible', async ({ page }) => {
      const value = new ValuePage(page)
      await expect(value.editor).toContainText('truth')
      await expectAccessible(page)
      await page.getByText('Hex', { exact: true }).click()
      await expectAccessible(page)
      await value.button('Copy as…').click()
      await expectAccessible(page)
      await value.open('nothing')
      await expect(value.button('Create it')).toBeVisible()
      await expectAccessible(page)
    })

    test('the form and the conflict are accessible', async ({ page, server }) => {
      const value = new ValuePage(page)
      await value.edit('{"text":}')
      await expect(page.getByText('This is not valid JSON')).toBeVisible()
      await expectAccessible(page)
      await server.put('a', '{"text":"c"}', { type: 'application/json' })
      await value.save.click()
      await expect(page.getByRole('textbox', { name: 'Theirs' })).toBeVisible()
      await expectAccessible(page)
    })
  })
}
