import userEvent from '@testing-library/user-event'
import { screen } from '@testing-library/vue'
import { HttpResponse } from 'msw'
import { beforeEach, expect, test } from 'vitest'

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

/** The person has written `mine`, and saves it after this has happened. */
async function saveAfter(happened: () => void) {
  entries.put('a', 'one')
  await renderApp(onPage(ValuePanel), { url: '/store?key=a' })
  await click('Edit')
  write(await findEditor('Value'), 'mine')
  happened()
  await click('Save')
  expect(await screen.findByText('Someone else was faster')).toBeVisible()
}

test('theirs can stay', async () => {
  await saveAfter(() => entries.put('a', 'theirs'))
  await click('Keep theirs')
  await screen.findByRole('button', { name: 'Edit' })
  expect((await findEditor('Value')).state.sliceDoc()).toBe('theirs')
  expect(entries.text('a')).toBe('theirs')
})

test('the person can go on with what was written', async () => {
  await saveAfter(() => entries.put('a', 'theirs'))
  await click('Go on editing')
  expect((await findEditor('Value')).state.sliceDoc()).toBe('mine')
  expect(entries.text('a')).toBe('theirs')
})

test('what came after theirs is not overwritten either', async () => {
  await saveAfter(() => entries.put('a', 'theirs'))
  await findEditor('Theirs')
  entries.put('a', 'theirs again')
  await click('Overwrite with yours')
  await expect.poll(async () => (await findEditor('Theirs')).state.sliceDoc()).toBe('theirs again')
  expect(entries.text('a')).toBe('theirs again')
})

test('a key that was deleted is created again if the person wants that', async () => {
  await saveAfter(() => entries.stored.delete('a'))
  expect(screen.getByText(/The key was deleted since/)).toBeVisible()
  await click('Create it with yours')
  await screen.findByRole('button', { name: 'Edit' })
  expect(entries.text('a')).toBe('mine')
})

test('a large value is not compared', async () => {
  await saveAfter(() => entries.put('a', 'x'.repeat(1024 * 1024 + 1)))
  expect(screen.getByText(/too large to compare/)).toBeVisible()
  expect(entries.count('GET')).toBe(1)
  await click('Overwrite with yours')
  await screen.findByRole('button', { name: 'Edit' })
  expect(entries.text('a')).toBe('mine')
})

test('who may not read theirs can still decide', async () => {
  entries.put('a', 'secret')
  await renderApp(onPage(ValuePanel), { url: '/store?new' })
  await userEvent.type(screen.getByLabelText('Key'), 'a')
  server.use(
    http.head('/kv', ({ response }) => response.untyped(new HttpResponse(null, { status: 403 }))),
  )
  await click('Save')
  expect(await screen.findByText('You may not read this key')).toBeVisible()
  await click('Overwrite with yours')
  await expect.poll(() => entries.text('a')).toBe('')
})

test('an answer that never comes is no conflict: what was written stays', async () => {
  entries.put('a', 'one')
  await renderApp(onPage(ValuePanel), { url: '/store?key=a' })
  await click('Edit')
  write(await findEditor('Value'), 'mine')
  entries.put('a', 'theirs')
  server.use(
    http.head('/kv', ({ response }) => response.untyped(HttpResponse.error()), { once: true }),
  )
  await click('Save')
  expect(await screen.findByRole('alert')).toHaveTextContent('The service cannot be reached')
  expect((await findEditor('Value')).state.sliceDoc()).toBe('mine')
  await click('Try again')
  expect((await findEditor('Theirs')).state.sliceDoc()).toBe('theirs')
})
