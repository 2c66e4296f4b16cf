import { expect, signIn, test } from './fixtures'
import { ValuePage } from './value'

test.use({
  serverOptions: ['--auth', 'tokens'],
  // The list beside the value may be refused, too.
  consoleMaySay: /401 \(Unauthorized\)|403 \(Forbidden\)|412 \(Precondition Failed\)/,
})

test('a token that may only read is offered only that', async ({ page, server }) => {
  await server.put('a/b', 'hello')
  const { token } = await server.token('reader', [{ verbs: ['read', 'list'], prefix: 'a/' }])
  await signIn(page, token)
  const value = new ValuePage(page)
  await value.open('a/b')
  await expect(value.editor).toHaveText('hello')
  for (const name of ['Edit', 'Expiry', 'Delete']) await expect(value.button(name)).toBeHidden()

  await value.button('Copy as…').click()
  const read = page.getByRole('group', { name: 'Read' })
  await expect(read).toContainText('Authorization: Bearer $KVERSE_TOKEN')
  expect(await page.content()).not.toContain(token)
})

test('a token that may only write replaces what it cannot see, and creates', async ({
  page,
  server,
}) => {
  await server.put('drop/a', 'unseen')
  const { token } = await server.token('writer', [{ verbs: ['write'], prefix: 'drop/' }])
  await signIn(page, token)
  const value = new ValuePage(page)
  await value.open('drop/a')
  await expect(page.getByText('You may not read this key')).toBeVisible()
  await value.button('Write a value').click()
  await value.editor.fill('replaced')
  await value.save.click()
  await expect(page.getByText('drop/a is saved.')).toBeVisible()
  expect(await server.get('drop/a')).toBe('replaced')

  await value.create()
  await page.getByLabel('Key', { exact: true }).fill('drop/a')
  await value.editor.fill('overwritten')
  await value.save.click()
  await expect(page.getByText('Someone else was faster')).toBeVisible()
  await value.button('Overwrite with yours').click()
  await expect(page.getByText('drop/a is saved.')).toBeVisible()
  expect(await server.get('drop/a')).toBe('overwritten')
})

test('what was typed survives a token that ends, and the sign-in', async ({ page, server }) => {
  await server.put('note', 'before')
  const scopes = [{ verbs: ['read', 'write', 'list'] }]
  const { id, token } = await server.token('first', scopes)
  const next = await server.token('next', scopes)
  await signIn(page, token)
  const value = new ValuePage(page)
  await value.open('note')
  await value.edit('typed with care')
  await server.fetch(`/tokens/${id}`, { method: 'DELETE' })
  await expect.poll(() => server.status('/tokens/self', token)).toBe(401)
  await value.save.click()
  await page.getByLabel('Access token').fill(next.token)
  await page.getByRole('button', { name: 'Sign in', exact: true }).last().click()
  await expect(value.editor).toHaveText('typed with care')
  await value.save.click()
  await expect(page.getByText('note is saved.')).toBeVisible()
  expect(await server.get('note')).toBe('typed with care')
})
