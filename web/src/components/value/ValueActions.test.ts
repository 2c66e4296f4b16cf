import userEvent from '@testing-library/user-event'
import { screen, waitFor, within } from '@testing-library/vue'
import { HttpResponse } from 'msw'
import { beforeEach, expect, test, vi } from 'vitest'

import ToastList from '@/components/common/ToastList.vue'
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
const Page = onPage({
  components: { ToastList, ValuePanel },
  template: '<ValuePanel /><ToastList />',
})

async function open(key: string) {
  const view = await renderApp(Page, { url: `/store?key=${encodeURIComponent(key)}` })
  await screen.findByRole('button', { name: 'Download' })
  return view
}

test('a value is saved as a file under the end of its key', async () => {
  const saved: { name: string; text: Promise<string> }[] = []
  const blobs: Blob[] = []
  vi.stubGlobal(
    'URL',
    Object.assign(URL, {
      createObjectURL: (blob: Blob) => `blob:${blobs.push(blob) - 1}`,
      revokeObjectURL: () => undefined,
    }),
  )
  vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (
    this: HTMLAnchorElement,
  ) {
    const blob = blobs[Number(this.href.replace('blob:', ''))]
    if (blob) saved.push({ name: this.download, text: blob.text() })
  })
  entries.put('reports/large', 'x'.repeat(300_000), { type: 'text/csv' })
  await open('reports/large')
  await click('Download')
  await waitFor(() => expect(saved).toHaveLength(1))
  expect(saved[0]?.name).toBe('large.csv')
  expect((await saved[0]?.text)?.length).toBe(300_000)
})

test('what cannot be downloaded says why, and can be tried again', async () => {
  entries.put('large', 'x'.repeat(300_000))
  await open('large')
  server.use(
    http.get('/kv', ({ response }) => response.untyped(HttpResponse.error()), { once: true }),
  )
  await click('Download')
  const alert = await screen.findByRole('alert')
  expect(alert).toHaveTextContent('The service cannot be reached')
  expect(within(alert).getByRole('button', { name: 'Try again' })).toBeVisible()
})

test('what is too large to be put back is deleted after a question', async () => {
  entries.put('large', 'x'.repeat(4 * 1024 * 1024 + 1))
  await open('large')
  await click('Delete')
  expect(screen.getByText(/This cannot be undone/)).toBeVisible()
  expect(entries.text('large')).toBeDefined()
  await click('Delete for good')
  expect(await screen.findByText('large is deleted.')).toBeVisible()
  expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull()
  expect(entries.count('GET')).toBe(0)
})

test('a version that the person has not seen is not deleted', async () => {
  entries.put('a', 'one')
  await open('a')
  entries.put('a', 'two')
  await click('Delete')
  expect(await screen.findByRole('alert')).toHaveTextContent('It was changed in the meantime.')
  expect(entries.text('a')).toBe('two')
})

test('undo that fails can be tried again, with the same idempotency key', async () => {
  entries.put('a', 'one')
  await open('a')
  await click('Delete')
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
  await click('Undo')
  expect(await screen.findByText('a could not be put back.')).toBeVisible()
  await click('Try again')
  expect(await screen.findByText('a is back.')).toBeVisible()
  // What was deleted stays in view, and so it is back there, too.
  expect(await screen.findByRole('button', { name: 'Edit' })).toBeVisible()
  const retry = entries.requests.find(({ method }) => method === 'PUT')
  expect(retry?.headers.get('Idempotency-Key')).toBe(keys[0])
  expect(entries.text('a')).toBe('one')
})

test('what would have expired by now is not put back', async () => {
  const soon = new Date(Date.now() + 1500).toISOString()
  entries.put('a', 'one', { expiresAt: soon })
  await open('a')
  await click('Delete')
  const undo = await screen.findByRole('button', { name: 'Undo' })
  await waitFor(() => expect(Date.now()).toBeGreaterThan(Date.parse(soon)), { timeout: 3000 })
  await userEvent.click(undo)
  expect(await screen.findByText(/would have expired by now/)).toBeVisible()
  expect(entries.text('a')).toBeUndefined()
})

test('a time to live that is none is not sent', async () => {
  entries.put('a', 'one')
  await open('a')
  await click('Expiry')
  const dialog = within(screen.getByRole('dialog'))
  await userEvent.selectOptions(dialog.getByLabelText('Expires'), 'In another time')
  await userEvent.type(dialog.getByLabelText('Time to live'), 'soon')
  await userEvent.click(dialog.getByRole('button', { name: 'Save' }))
  expect(dialog.getByLabelText('Time to live')).toBeInvalid()
  expect(entries.count('PATCH')).toBe(0)
})
