import userEvent from '@testing-library/user-event'
import { screen, waitFor, within } from '@testing-library/vue'
import { HttpResponse } from 'msw'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'

import { onPage } from '@/testing/page'
import { problem } from '@/testing/problem'
import { renderApp } from '@/testing/render'
import { http, server } from '@/testing/server'
import TransferView from '@/views/TransferView.vue'

const Page = onPage(TransferView)

const LIMITS = {
  max_batch_bytes: 1 << 24,
  max_batch_operations: 1000,
  max_content_type_bytes: 255,
  max_key_bytes: 1024,
  max_page_bytes: 1 << 22,
  max_page_entries: 1000,
  max_value_bytes: 1 << 20,
}
const line = (key: string) => `{"key":"${key}","value":"${'x'.repeat(1000)}"}\n`
const file = (content: string) => new File([content], 'data.ndjson')
const report = (imported: number) => ({ imported, skipped: 0, expired: 0 })

beforeEach(() => {
  server.use(http.get('/limits', ({ response }) => response(200).json(LIMITS)))
})

/** A service that imports; what `refuse` answers comes in its place. */
function serveImport(refuse: (lines: string[], request: number) => Response | undefined) {
  const got: { query: string; lines: string[] }[] = []
  server.use(
    http.post('/import', async ({ request, response }) => {
      const lines = ((await request.text()) as string).split('\n').filter((text) => text !== '')
      got.push({ query: new URL(request.url).search, lines })
      const refusal = refuse(lines, got.length)
      return refusal ? response.untyped(refusal) : response(200).json(report(lines.length))
    }),
  )
  return got
}

async function importFile(content: string) {
  const view = await renderApp(Page, { url: '/transfer' })
  await userEvent.upload(screen.getByLabelText('Choose a file'), file(content))
  await userEvent.click(screen.getByRole('button', { name: 'Import' }))
  return view
}

const outcome = () => screen.getByRole('region', { name: 'Import' })

test('a file goes in pieces of whole lines', async () => {
  const got = serveImport(() => undefined)
  await importFile(line('a').repeat(2500))
  expect(await screen.findByText('The whole file was imported.')).toBeVisible()
  expect(got.length).toBeGreaterThan(1)
  expect(got.flatMap(({ lines }) => lines)).toHaveLength(2500)
  expect(got[0]?.query).toBe('?prefix=&on_conflict=overwrite')
  expect(outcome()).toHaveTextContent('imported2,500')
})

test('a line that is refused is named by its number in the file, and can be left out', async () => {
  const got = serveImport((lines) => {
    const bad = lines.indexOf('bad')
    if (bad < 0) return undefined
    const error = { line: bad + 1, code: 'invalid_input', detail: 'not JSON' }
    return problem(422, 'invalid_input', { import: { ...report(bad), error } })
  })
  await importFile(`${line('a').repeat(1500)}bad\n${line('b')}`)
  expect(await screen.findByText('Line 1,501 cannot be imported.')).toBeVisible()
  expect(screen.getByText('not JSON')).toBeVisible()
  expect(outcome()).toHaveTextContent('The first 1,500 lines of the file are done.')
  await userEvent.click(screen.getByRole('button', { name: 'Go on without this line' }))
  expect(await screen.findByText('The whole file was imported.')).toBeVisible()
  expect(got.at(-1)?.lines).toHaveLength(1)
  expect(outcome()).toHaveTextContent('imported1,501')
})

test('without an answer nobody knows, and going on sends the piece again', async () => {
  serveImport((_, request) => (request === 2 ? HttpResponse.error() : undefined))
  await importFile(line('a').repeat(1500))
  expect(await screen.findByText(/The service cannot be reached/)).toBeVisible()
  expect(outcome()).toHaveTextContent(/Whether the lines 1,0\d\d to 1,500 were stored is not known/)
  expect(outcome()).toHaveTextContent('Going on is safe')
  await userEvent.click(screen.getByLabelText('Stop there'))
  expect(outcome()).toHaveTextContent('choose “Keep it” first')
  await userEvent.click(screen.getByRole('button', { name: /Go on at line/ }))
  expect(await screen.findByText('The whole file was imported.')).toBeVisible()
})

test('a service that asks to wait is waited for', async () => {
  const wait = () => problem(429, 'too_many_requests', {}, { 'Retry-After': '0' })
  const got = serveImport((_, request) => (request < 3 ? wait() : undefined))
  await importFile(line('a'))
  expect(await screen.findByText('The whole file was imported.')).toBeVisible()
  expect(got).toHaveLength(3)
})

test('an import that waits is cancelled at once, and nothing of the piece is in doubt', async () => {
  const busy = problem(429, 'too_many_requests', {}, { 'Retry-After': '30' })
  const got = serveImport(() => busy.clone())
  await importFile(line('a'))
  await waitFor(() => expect(got).toHaveLength(1))
  await userEvent.click(screen.getByRole('button', { name: 'Cancel' }))
  expect(await screen.findByText('The import was cancelled.')).toBeVisible()
  expect(outcome()).toHaveTextContent('Nothing after that was stored.')
  expect(got).toHaveLength(1)
})

/** A service that takes its time to import. */
function serveSlowImport() {
  let finish = () => {}
  const finished = new Promise<void>((resolve) => (finish = resolve))
  server.use(
    http.post('/import', async ({ response }) => {
      await finished
      return response(200).json(report(1))
    }),
  )
  return finish
}

const isWarned = () => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }))

test('leaving during an import asks first, and stops it only if that is wanted', async () => {
  onTestFinished(serveSlowImport())
  const { router } = await importFile(line('a'))
  expect(isWarned()).toBe(true)
  void router.push('/')
  await userEvent.click(await screen.findByRole('button', { name: 'Stay' }))
  expect(router.currentRoute.value.name).toBe('transfer')
  void router.push('/')
  await userEvent.click(await screen.findByRole('button', { name: 'Stop and leave' }))
  await waitFor(() => expect(router.currentRoute.value.name).toBe('home'))
})

test('an import that is done while it is asked keeps nobody', async () => {
  const finish = serveSlowImport()
  const { router } = await importFile(line('a'))
  void router.push('/')
  expect(await screen.findByText('Leave during the import?')).toBeVisible()
  finish()
  await waitFor(() => expect(router.currentRoute.value.name).toBe('home'))
  expect(isWarned()).toBe(false)
})

test('what a check finds is listed by line, up to a hundred', async () => {
  await renderApp(Page, { url: '/transfer' })
  const bad = 'bad\n'.repeat(150)
  await userEvent.upload(screen.getByLabelText('Choose a file'), file(line('a') + bad))
  await userEvent.click(screen.getByRole('button', { name: 'Check the file' }))
  expect(await screen.findByText(/100 lines cannot be imported/)).toHaveTextContent('may be more')
  expect(screen.getAllByRole('row')).toHaveLength(101)
  await userEvent.upload(screen.getByLabelText('Choose another file'), file(line('a')))
  await userEvent.click(screen.getByRole('button', { name: 'Check the file' }))
  expect(await screen.findByText('The line is fine. Nothing was sent.')).toBeVisible()
})

test('who may do neither is told what is missing', async () => {
  server.use(
    http.get('/tokens/self', ({ response }) =>
      response(200).json({ token: null, scopes: [{ verbs: ['list'] }] }),
    ),
  )
  await renderApp(Page, { url: '/transfer' })
  expect(screen.getByText(/does not allow exports/)).toBeVisible()
  expect(screen.getByText(/does not allow imports/)).toBeVisible()
})

/** A service with these pieces to export, and the file that they are written to. */
function serveExport(body: (controller: ReadableStreamDefaultController) => void) {
  const written: string[] = []
  const handle = {
    createWritable: async () => ({
      write: async (piece: Uint8Array) => void written.push(new TextDecoder().decode(piece)),
      close: async () => void written.push('closed'),
      abort: async () => void written.push('aborted'),
    }),
  }
  vi.stubGlobal('showSaveFilePicker', async () => handle)
  server.use(
    http.head('/export', ({ response }) => response.untyped(new HttpResponse(null))),
    http.get('/export', ({ response }) =>
      response.untyped(new HttpResponse(new ReadableStream({ start: body }))),
    ),
    http.get('/keys', ({ response }) => response(200).json({ count: 2, cursor: null })),
  )
  return written
}

async function startExport() {
  await renderApp(Page, { url: '/transfer' })
  const card = screen.getByRole('region', { name: 'Export' })
  await userEvent.click(within(card).getByRole('button', { name: 'Export' }))
}

test('an export is written as it comes', async () => {
  const written = serveExport((body) => {
    body.enqueue(new TextEncoder().encode('{}\n'))
    body.enqueue(new TextEncoder().encode('{}\n'))
    body.close()
  })
  await startExport()
  expect(await screen.findByText('2 entries were exported, 6 bytes.')).toBeVisible()
  expect(written.join('')).toBe('{}\n{}\nclosed')
})

test('an export that breaks off is not kept', async () => {
  const written = serveExport((body) => {
    body.enqueue(new TextEncoder().encode('{}\n'))
    setTimeout(() => body.error(new TypeError('cut')), 50)
  })
  await startExport()
  expect(await screen.findByText(/The export broke off after 1 entry/)).toBeVisible()
  expect(written.at(-1)).toBe('aborted')
})
