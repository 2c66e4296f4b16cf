import userEvent from '@testing-library/user-event'
import { screen, waitFor, within } from '@testing-library/vue'
import { HttpResponse } from 'msw'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'

import { serverClockOffset, serverNow } from '@/api/serverClock'
import type { Verb } from '@/stores/session'
import { publishChange } from '@/stores/changes'
import { useToasts } from '@/stores/toasts'
import { findEditor, write } from '@/testing/editor'
import { Entries } from '@/testing/entries'
import { onPage } from '@/testing/page'
import { renderApp } from '@/testing/render'
import { http, server } from '@/testing/server'
import ValuePanel from './ValuePanel.vue'

let entries: Entries
beforeEach(() => {
  entries = new Entries()
  server.use(...entries.handlers)
})

const click = async (name: string) => userEvent.click(await screen.findByRole('button', { name }))

const Page = onPage(ValuePanel)

function open(key: string) {
  return renderApp(Page, { url: `/store?key=${encodeURIComponent(key)}` })
}

function grant(...verbs: Verb[]) {
  server.use(
    http.get('/tokens/self', ({ response }) =>
      response(200).json({ token: null, scopes: [{ verbs }] }),
    ),
  )
}

test('a small value is shown with its facts', async () => {
  entries.put('a/b', 'hello')
  await open('a/b')
  expect((await findEditor('Value')).state.sliceDoc()).toBe('hello')
  expect(screen.getByRole('heading', { name: 'a/b' })).toBeVisible()
  expect(screen.getByText('5 bytes')).toBeVisible()
  expect(screen.getByText('text/plain')).toBeVisible()
  expect(screen.getByText('never')).toBeVisible()
})

test('what is left of an entry is told by the clock of the service', async () => {
  serverClockOffset.value = 3_600_000
  onTestFinished(() => void (serverClockOffset.value = 0))
  entries.put('a', 'hello', { expiresAt: new Date(serverNow() + 7_200_000).toISOString() })
  await open('a')
  expect(await screen.findByText(/^in (2h 0m|1h 59m)$/)).toBeVisible()
})

test('a large value is loaded when it is asked for', async () => {
  entries.put('large', 'x'.repeat(300_000))
  await open('large')
  const load = await screen.findByRole('button', { name: 'Load 293 kB' })
  expect(entries.count('GET')).toBe(0)
  await userEvent.click(load)
  expect((await findEditor('Value')).state.doc.length).toBe(300_000)
})

test('what cannot be read at first is read again', async () => {
  entries.put('a', 'hello')
  server.use(
    http.head('/kv', ({ response }) => response.untyped(HttpResponse.error()), { once: true }),
  )
  await open('a')
  expect(await screen.findByRole('alert')).toHaveTextContent('The service cannot be reached')
  await click('Try again')
  expect((await findEditor('Value')).state.sliceDoc()).toBe('hello')
})

test('a change by someone else is shown, and said', async () => {
  entries.put('a', 'one')
  await open('a')
  await findEditor('Value')
  publishChange({ event: 'put', key: 'a', version: entries.put('a', 'two') })
  expect(await screen.findByText('Changed just now')).toBeVisible()
  expect((await findEditor('Value')).state.sliceDoc()).toBe('two')
})

test('a change that is known already is not read again', async () => {
  const version = entries.put('a', 'one')
  await open('a')
  await findEditor('Value')
  const asked = entries.requests.length
  publishChange({ event: 'put', key: 'a', version })
  publishChange({ event: 'delete', key: 'a', version: '1' })
  publishChange({ event: 'put', key: 'other', version: '9' })
  // The next change is told after these.
  publishChange({ event: 'put', key: 'a', version: entries.put('a', 'two') })
  await screen.findByText('Changed just now')
  expect(entries.requests.length - asked).toBe(2)
  expect(screen.queryByText('This key was deleted.')).toBeNull()
})

test.each([
  ['delete', 'This key was deleted.'],
  ['expire', 'This key has expired.'],
] as const)('after %s the key can be created again', async (event, text) => {
  const version = entries.put('a', 'one')
  await open('a')
  await findEditor('Value')
  entries.stored.delete('a')
  publishChange({ event, key: 'a', version })
  expect(await screen.findByText(text)).toBeVisible()
  await click('Create it again')
  await click('Save')
  expect(await screen.findByRole('button', { name: 'Edit' })).toBeVisible()
  expect(entries.text('a')).toBe('one')
})

test('a change while the person writes is told, and touches nothing', async () => {
  entries.put('a', 'one')
  await open('a')
  await click('Edit')
  write(await findEditor('Value'), 'mine')
  publishChange({ event: 'put', key: 'a', version: entries.put('a', 'theirs') })
  expect(await screen.findByText(/Someone else has changed this key/)).toBeVisible()
  expect((await findEditor('Value')).state.sliceDoc()).toBe('mine')
  await click('Save')
  expect((await findEditor('Theirs')).state.sliceDoc()).toBe('theirs')
  expect((await findEditor('Yours')).state.sliceDoc()).toBe('mine')
  await click('Overwrite with yours')
  expect(await screen.findByRole('button', { name: 'Edit' })).toBeVisible()
  expect(entries.text('a')).toBe('mine')
})

test('a key is created, and then shown', async () => {
  const { router } = await renderApp(Page, { url: '/store?new' })
  await userEvent.type(screen.getByLabelText('Key'), 'fresh')
  expect(await screen.findByText('5 of 1,024 bytes')).toBeVisible()
  write(await findEditor('Value'), 'hello')
  await click('Save')
  expect(await screen.findByRole('heading', { name: 'fresh' })).toBeVisible()
  expect(router.currentRoute.value.query).toEqual({ key: 'fresh' })
  expect(entries.text('fresh')).toBe('hello')
})

test('a file is uploaded with its type', async () => {
  await renderApp(Page, { url: '/store?new' })
  await userEvent.type(screen.getByLabelText('Key'), 'file')
  await screen.findByText('4 of 1,024 bytes')
  const input = screen.getByLabelText('Upload a file', { selector: 'input' })
  await userEvent.upload(input, new File(['a,b'], 'table.csv', { type: 'text/csv' }))
  expect(await screen.findByText('table.csv')).toBeVisible()
  await click('Save')
  await screen.findByRole('heading', { name: 'file' })
  expect(entries.stored.get('file')).toMatchObject({ text: 'a,b', type: 'text/csv' })
})

test('what was written before a file was chosen comes back', async () => {
  await renderApp(Page, { url: '/store?new' })
  write(await findEditor('Value'), 'typed')
  const input = screen.getByLabelText('Upload a file', { selector: 'input' })
  await userEvent.upload(input, new File(['a'], 'a.txt'))
  await click('Write text instead')
  expect((await findEditor('Value')).state.sliceDoc()).toBe('typed')
})

test('a retry after a lost answer has the same idempotency key, the next write another', async () => {
  entries.put('a', 'one')
  await open('a')
  await click('Edit')
  write(await findEditor('Value'), 'two')
  const keys: (string | null)[] = []
  server.use(
    http.put(
      '/kv',
      ({ request, response }) => {
        keys.push(request.headers.get('Idempotency-Key'))
        return response.untyped(HttpResponse.error())
      },
      { once: true },
    ),
  )
  await click('Save')
  await click('Try again')
  await click('Edit')
  await click('Save')
  await screen.findByRole('button', { name: 'Edit' })
  const sent = entries.requests.filter(({ method }) => method === 'PUT')
  keys.push(...sent.map(({ headers }) => headers.get('Idempotency-Key')))
  expect(keys).toHaveLength(3)
  expect(keys[1]).toBe(keys[0])
  expect(keys[2]).not.toBe(keys[0])
})

test('leaving asks first, and discards only if that is wanted', async () => {
  entries.put('a', 'one')
  const { router } = await open('a')
  await click('Edit')
  write(await findEditor('Value'), 'typed')
  await click('Cancel')
  await click('Go on editing')
  expect((await findEditor('Value')).state.sliceDoc()).toBe('typed')
  await click('Cancel')
  await click('Discard')
  expect(await screen.findByRole('button', { name: 'Edit' })).toBeVisible()
  expect(entries.text('a')).toBe('one')
  expect(router.currentRoute.value.query.key).toBe('a')
})

test('what is given up while it is saved is not stored', async () => {
  entries.put('a', 'one')
  await open('a')
  await click('Edit')
  write(await findEditor('Value'), 'typed')
  const abort = vi.spyOn(XMLHttpRequest.prototype, 'abort')
  server.use(http.put('/kv', () => new Promise(() => undefined)))
  await click('Save')
  await click('Cancel')
  await click('Discard')
  expect(abort).toHaveBeenCalledOnce()
})

test('another key is not opened over what is not saved', async () => {
  entries.put('a', 'one')
  entries.put('b', 'other')
  const { router } = await open('a')
  await click('Edit')
  write(await findEditor('Value'), 'typed')
  // What is listed beside it may change.
  await router.push('/store?key=a&prefix=x')
  void router.push('/store?key=b')
  await click('Go on editing')
  expect(router.currentRoute.value.query.key).toBe('a')
  void router.push('/store?key=b')
  await click('Discard')
  expect(await screen.findByRole('heading', { name: 'b' })).toBeVisible()
})

test('a deleted key comes back with undo, if nobody has taken it', async () => {
  entries.put('a', 'precious', { type: 'text/csv' })
  const { pinia } = await open('a')
  await click('Delete')
  await waitFor(() => expect(entries.text('a')).toBeUndefined())
  const toasts = useToasts(pinia)
  await waitFor(() => expect(toasts.toasts.at(-1)?.action?.label).toBe('Undo'))
  const undo = toasts.toasts.at(-1)?.action
  undo?.run()
  await waitFor(() => expect(toasts.toasts.at(-1)?.text).toBe('a is back.'))
  expect(entries.stored.get('a')).toMatchObject({ text: 'precious', type: 'text/csv' })
  undo?.run()
  await waitFor(() => expect(toasts.toasts.at(-1)?.text).toContain('Someone else has created a'))
})

test('expiry is changed alone', async () => {
  entries.put('a', 'one')
  await open('a')
  await click('Expiry')
  const dialog = screen.getByRole('dialog')
  await userEvent.selectOptions(within(dialog).getByLabelText('Expires'), 'In another time')
  await userEvent.type(within(dialog).getByLabelText('Time to live'), '1h')
  await userEvent.click(within(dialog).getByRole('button', { name: 'Save' }))
  expect(await screen.findByText(/^in (1h 0m|59m)/)).toBeVisible()
  expect(entries.count('PUT')).toBe(0)
})

test('commands of each tool are offered', async () => {
  entries.put('a', 'one')
  await open('a')
  await click('Copy as…')
  expect(screen.getByRole('group', { name: 'Read' })).toHaveTextContent(/^curl -f/)
  await userEvent.click(screen.getByLabelText('kverse-cli'))
  expect(screen.getByRole('group', { name: 'Write' })).toHaveTextContent(/put .* -- a @value$/)
  await userEvent.click(screen.getByLabelText('Rust'))
  expect(screen.getByRole('group', { name: 'Read' })).toHaveTextContent(/^use kverse_core/)
})

test('a token that may only read is offered nothing else', async () => {
  entries.put('a', 'one')
  grant('read')
  await open('a')
  await findEditor('Value')
  for (const name of ['Edit', 'Delete', 'Expiry']) {
    expect(screen.queryByRole('button', { name })).toBeNull()
  }
})

test('a token that may only write can do that', async () => {
  entries.put('a', 'secret')
  grant('write')
  await open('a')
  expect(screen.getByText('You may not read this key')).toBeVisible()
  expect(entries.requests).toEqual([])
  await click('Write a value')
  write(await findEditor('Value'), 'replaced')
  await click('Save')
  await waitFor(() => expect(entries.text('a')).toBe('replaced'))
})

test('a token that may do nothing with a key is told so', async () => {
  grant('list')
  await open('a')
  expect(screen.getByText('Your access token does not include it.')).toBeVisible()
  expect(screen.queryByRole('button', { name: 'Write a value' })).toBeNull()
})

test('everything is there in Portuguese', async () => {
  entries.put('a', '{"a":1}', { type: 'application/json' })
  await renderApp(Page, { url: '/store?key=a', language: 'pt' })
  await findEditor('Valor')
  expect(screen.getByText('Tipo de conteúdo')).toBeVisible()
  await click('Editar')
  write(await findEditor('Valor'), '{')
  expect(await screen.findByText(/Não é JSON válido: linha 1, coluna 2/)).toBeVisible()
})
