import { expect, test } from './fixtures'
import { ValuePage } from './value'

test.describe('somebody else was faster', () => {
  test.use({ consoleMaySay: /404|409|412/ })

  /** Both have written: what the person typed, and what is stored. */
  async function conflict(value: ValuePage, theirs: () => Promise<unknown>) {
    await value.open('shared')
    await value.edit('mine')
    await theirs()
    await value.save.click()
    await expect(value.page.getByText('Someone else was faster')).toBeVisible()
  }

  test('both are shown, and theirs can stay', async ({ page, server }) => {
    await server.put('shared', 'before')
    const value = new ValuePage(page)
    await conflict(value, () => server.put('shared', 'theirs'))
    await expect(page.getByRole('textbox', { name: 'Theirs' })).toHaveText('theirs')
    await expect(page.getByRole('textbox', { name: 'Yours' })).toHaveText('mine')
    await value.button('Keep theirs').click()
    await expect(value.editor).toHaveText('theirs')
    expect(await server.get('shared')).toBe('theirs')
  })

  test('ours can replace theirs', async ({ page, server }) => {
    await server.put('shared', 'before')
    const value = new ValuePage(page)
    await conflict(value, () => server.put('shared', 'theirs'))
    await value.button('Overwrite with yours').click()
    await expect(page.getByText('shared is saved.')).toBeVisible()
    expect(await server.get('shared')).toBe('mine')
  })

  test('ours does not replace what came after that', async ({ page, server }) => {
    await server.put('shared', 'before')
    const value = new ValuePage(page)
    await conflict(value, () => server.put('shared', 'theirs'))
    await server.put('shared', 'theirs again')
    await value.button('Overwrite with yours').click()
    await expect(page.getByRole('textbox', { name: 'Theirs' })).toHaveText('theirs again')
    expect(await server.get('shared')).toBe('theirs again')
  })

  test('the person can go on writing', async ({ page, server }) => {
    await server.put('shared', 'before')
    const value = new ValuePage(page)
    await conflict(value, () => server.put('shared', 'theirs'))
    await value.button('Go on editing').click()
    await expect(value.editor).toHaveText('mine')
    await value.editor.fill('mine and theirs')
    await value.save.click()
    await value.button('Overwrite with yours').click()
    await expect(page.getByText('shared is saved.')).toBeVisible()
    expect(await server.get('shared')).toBe('mine and theirs')
  })

  test('a key that was deleted can stay so, or be created again', async ({ page, server }) => {
    await server.put('shared', 'before')
    const value = new ValuePage(page)
    await conflict(value, () => server.fetch('/kv/shared', { method: 'DELETE' }))
    await expect(page.getByText('The key was deleted since you opened it')).toBeVisible()
    await value.button('Create it with yours').click()
    await expect(page.getByText('shared is saved.')).toBeVisible()
    expect(await server.get('shared')).toBe('mine')

    await conflict(value, () => server.fetch('/kv/shared', { method: 'DELETE' }))
    await value.button('Leave it deleted').click()
    await expect(page.getByText('This key was deleted.')).toBeVisible()
    expect(await server.get('shared')).toBeUndefined()
  })

  test('a key that exists is not overwritten by creating it', async ({ page, server }) => {
    await server.put('shared', 'theirs')
    const value = new ValuePage(page)
    await value.create()
    await page.getByLabel('Key', { exact: true }).fill('shared')
    await value.editor.fill('mine')
    await value.save.click()
    await expect(page.getByRole('textbox', { name: 'Theirs' })).toHaveText('theirs')
    await value.button('Keep theirs').click()
    await expect(value.editor).toHaveText('theirs')
  })

  test('deleting does not delete what the person has not seen', async ({ page, server }) => {
    await server.put('shared', 'before')
    // Otherwise the person sees it at once.
    await page.addInitScript(() => localStorage.setItem('kverse.live', 'false'))
    const value = new ValuePage(page)
    await value.open('shared')
    await expect(value.editor).toHaveText('before')
    await server.put('shared', 'theirs')
    await value.button('Delete').click()
    await expect(page.getByRole('alert')).toContainText('It was changed in the meantime.')
    await expect(value.editor).toHaveText('theirs')
    expect(await server.get('shared')).toBe('theirs')
  })

  test('a conflict that the service reports as 409 is one, too', async ({ page, server }) => {
    await server.put('shared', 'before')
    const value = new ValuePage(page)
    await page.route(
      '**/kv?*ttl=*',
      async (route) => {
        const problem = { type: 'about:blank', title: 'Conflict', status: 409, detail: 'busy' }
        await route.fulfill({ status: 409, json: { ...problem, code: 'conflict' } })
      },
      { times: 1 },
    )
    await conflict(value, () => Promise.resolve())
    await value.button('Overwrite with yours').click()
    await expect(page.getByText('shared is saved.')).toBeVisible()
    expect(await server.get('shared')).toBe('mine')
  })
})

test.describe('what somebody else does is seen at once', () => {
  test.use({ consoleMaySay: /404 \(Not Found\)/ })

  test('while the value is looked at', async ({ page, server }) => {
    await server.put('shared', 'before')
    const value = new ValuePage(page)
    await value.open('shared')
    await expect(value.editor).toHaveText('before')
    await expect(page.getByText('Live', { exact: true }).first()).toBeVisible()
    await server.put('shared', 'after')
    await expect(value.editor).toHaveText('after')
    await expect(page.getByText('Changed just now')).toBeVisible()
    await server.fetch('/kv/shared', { method: 'DELETE' })
    await expect(page.getByText('This key was deleted.')).toBeVisible()
    await server.put('shared', 'back')
    await expect(value.editor).toHaveText('back')
  })

  test('while something is written, without touching that', async ({ page, server }) => {
    await server.put('shared', 'before')
    const value = new ValuePage(page)
    await value.open('shared')
    await value.edit('mine')
    await server.put('shared', 'after')
    await expect(page.getByText('Someone else has changed this key')).toBeVisible()
    await expect(value.editor).toHaveText('mine')
  })

  test('what we do ourselves is not told as news', async ({ page, server }) => {
    await server.put('shared', 'before')
    const value = new ValuePage(page)
    await value.open('shared')
    const told = page.waitForResponse((response) => response.url().includes('/watch'))
    await value.edit('mine')
    await value.save.click()
    await told
    await expect(value.editor).toHaveText('mine')
    await expect(page.getByText('shared is saved.')).toBeHidden({ timeout: 15_000 })
    await expect(page.getByText('Changed just now')).toBeHidden()
  })
})

test.describe('nothing that was typed is lost', () => {
  test.use({ consoleMaySay: /413|429|ERR_(CONNECTION|EMPTY|INCOMPLETE)_/ })

  test('while the server is down; the retry is stored once', async ({ page, server }) => {
    await server.put('note', 'before')
    const value = new ValuePage(page)
    await value.open('note')
    await value.edit('typed with care')
    await server.stop('SIGKILL')
    await value.save.click()
    await expect(page.getByRole('alert')).toContainText('The service cannot be reached.')
    await expect(value.editor).toHaveText('typed with care')
    await server.start()
    await value.button('Try again').click()
    await expect(page.getByText('note is saved.')).toBeVisible()
    expect(await server.get('note')).toBe('typed with care')
  })

  test('when the answer is lost after the write, the retry finds it done', async ({
    page,
    server,
  }) => {
    await server.put('note', 'before')
    const value = new ValuePage(page)
    await value.open('note')
    await value.edit('once')
    await page.route(
      '**/kv?*ttl=*',
      async (route) => {
        await route.fetch()
        await route.abort('connectionreset')
      },
      { times: 1 },
    )
    await value.save.click()
    await expect(page.getByRole('alert')).toContainText('The service cannot be reached.')
    const stored = await server.fetch('/kv/note', { method: 'HEAD' })
    await value.button('Try again').click()
    await expect(page.getByText('note is saved.')).toBeVisible()
    const after = await server.fetch('/kv/note', { method: 'HEAD' })
    expect(after.headers.get('ETag')).toBe(stored.headers.get('ETag'))
  })

  test('when the service says that the value is too large', async ({ page }) => {
    // A limit that was lowered since the page asked for it.
    await page.route('**/limits', async (route) => {
      const response = await route.fetch()
      const limits = (await response.json()) as object
      await route.fulfill({ response, json: { ...limits, max_value_bytes: 2 ** 30 } })
    })
    const value = new ValuePage(page)
    await value.create()
    await page.getByLabel('Key', { exact: true }).fill('large')
    const text = 'x'.repeat(1024 * 1024 + 1)
    await page
      .getByLabel('Upload a file')
      .setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from(text) })
    await value.save.click()
    await expect(page.getByRole('alert')).toContainText('It is larger than the service allows.')
    await expect(page.getByRole('alert')).toContainText('The limit is 1,048,576')
    await expect(page.getByText('a.txt')).toBeVisible()
  })

  test('by a link, the back button, or closing the page without a question', async ({
    page,
    server,
  }) => {
    await server.put('note', 'before')
    const value = new ValuePage(page)
    await page.goto('/store')
    await page.getByRole('option', { name: 'note' }).click()
    await value.edit('typed')
    await page.getByRole('link', { name: 'Status' }).click()
    await expect(page.getByText('Discard what you wrote?')).toBeVisible()
    await value.button('Go on editing').click()
    await expect(value.editor).toHaveText('typed')
    await page.goBack()
    await expect(page.getByText('Discard what you wrote?')).toBeVisible()
    await page.keyboard.press('Escape')
    await expect(value.editor).toHaveText('typed')
    await value.button('Cancel').click()
    await value.button('Go on editing').click()

    const question = page.waitForEvent('dialog')
    const closing = page.close({ runBeforeUnload: true })
    const dialog = await question
    expect(dialog.type()).toBe('beforeunload')
    await dialog.dismiss()
    await closing
    await expect(value.editor).toHaveText('typed')
    await page.getByRole('link', { name: 'Status' }).click()
    await value.button('Discard').click()
    await expect(page.getByRole('heading', { level: 1, name: 'Status' })).toBeVisible()
  })

  test.describe('with a low rate limit', () => {
    test.use({ serverOptions: ['--rate-limit', '10/m', '--rate-burst', '60'] })

    test('when there are too many requests', async ({ page, request }) => {
      const value = new ValuePage(page)
      await value.create()
      await page.getByLabel('Key', { exact: true }).fill('note')
      await value.editor.fill('typed')
      // Somebody at the same address uses up what is allowed.
      await Promise.all(Array.from({ length: 70 }, () => request.get('/stats')))
      await value.save.click()
      await expect(page.getByRole('alert')).toContainText('Too many requests')
      await expect(page.getByRole('alert')).toContainText('Try again in')
      await expect(value.editor).toHaveText('typed')
      await expect(async () => {
        await value.button('Try again').click({ timeout: 1000 })
        await expect(page.getByText('note is saved.')).toBeVisible({ timeout: 1000 })
      }).toPass()
    })
  })
})
