import { screen, waitFor, within } from '@testing-library/vue'
import userEvent from '@testing-library/user-event'
import { HttpResponse } from 'msw'
import { beforeEach, expect, test, vi } from 'vitest'
import { nextTick } from 'vue'

import StatusView from './StatusView.vue'
import type { components } from '@/api/schema'
import { renderApp } from '@/testing/render'
import { http, server } from '@/testing/server'

// There is no canvas here: the charts are looked at in a browser, by e2e/status.spec.ts.
vi.mock('uplot', () => ({
  default: class {
    cursor = { idx: null }
    setData() {}
    setSize() {}
    redraw() {}
    destroy() {}
  },
}))
vi.stubGlobal(
  'ResizeObserver',
  class {
    observe() {}
    unobserve() {}
    disconnect() {}
  },
)

type History = components['schemas']['HistoryResponse']

const START = Date.parse('2026-01-01T00:00:00Z')
const sample = (seconds: number, requests: number) => ({
  at: new Date(START + seconds * 1000).toISOString().replace('Z', '000Z'),
  requests,
  errors: requests / 10,
  rejected: 0,
  p50_ms: 1,
  p95_ms: 21.4,
  p99_ms: 1300,
  cache_hits: 3,
  cache_misses: 1,
  items: 1234,
  in_flight: 0,
  connections: 9,
})
const history = (server: string, requests: number): History => ({
  server,
  interval_ms: 5000,
  now: '2026-01-01T00:01:00.000000Z',
  cache: { mode: 'local' },
  samples: [sample(5, requests), sample(10, requests)],
})

beforeEach(() => {
  // No poll asks once more than it has to.
  vi.spyOn(Math, 'random').mockReturnValue(0.9)
  server.use(
    http.get('/stats/history', ({ response }) => response(200).json(history('a', 500))),
    http.get('/readyz', ({ response }) =>
      response(200).json({
        status: 'ok',
        checks: [{ name: 'database', status: 'ok', duration_ms: 1.5 }],
      }),
    ),
    http.get('/limits', ({ response }) =>
      response(200).json({
        max_batch_bytes: 16 << 20,
        max_batch_operations: 1000,
        max_content_type_bytes: 255,
        max_key_bytes: 1024,
        max_page_bytes: 4 << 20,
        max_page_entries: 1000,
        max_value_bytes: 1 << 20,
      }),
    ),
  )
})

/** The page asks again at once when somebody looks at it again. */
async function lookAgain() {
  const visibility = vi.spyOn(document, 'visibilityState', 'get')
  for (const state of ['hidden', 'visible'] as const) {
    visibility.mockReturnValue(state)
    document.dispatchEvent(new Event('visibilitychange'))
    await nextTick()
  }
}

const number = (label: string) => screen.getByText(label, { selector: 'dt' }).nextElementSibling

const loaded = () => waitFor(() => expect(number('Requests per second')).not.toHaveTextContent('–'))

test('it shows the numbers of now, and each chart says in words what it shows', async () => {
  await renderApp(StatusView)
  await loaded()
  expect(number('Requests per second')).toHaveTextContent('100')
  expect(number('Failed requests')).toHaveTextContent('10%')
  expect(number('Latency (95th percentile)')).toHaveTextContent('21.4 ms')
  expect(number('Reads from the cache')).toHaveTextContent('75%')
  expect(number('Keys')).toHaveTextContent('1,234')
  expect(screen.getByRole('region', { name: 'Latency' })).toBeVisible()
  expect(screen.getAllByRole('img')[1]).toHaveAccessibleName(
    '50 %: now 1 ms, between 1 ms and 1 ms. 95 %: now 21.4 ms, between 21.4 ms and 21.4 ms. 99 %: now 1.3 sec, between 1.3 sec and 1.3 sec.',
  )
  expect(screen.getByText('In the process')).toBeVisible()
  expect(await screen.findByText('Size of a value')).toBeVisible()
  expect(screen.getByText('1 MB')).toBeVisible()
})

test('checks are named, also while the service is not ready', async () => {
  server.use(
    http.get('/readyz', ({ response }) =>
      response.untyped(
        HttpResponse.json(
          {
            status: 'unavailable',
            checks: [
              { name: 'database', status: 'ok', duration_ms: 2 },
              { name: 'cache', status: 'unavailable', duration_ms: 5000, detail: 'no answer' },
            ],
          },
          { status: 503 },
        ),
      ),
    ),
  )
  await renderApp(StatusView)
  expect(await screen.findByText('Not ready')).toBeVisible()
  const check = screen.getByText('cache', { selector: 'span' }).closest('li')
  expect(check).toHaveTextContent('not available')
  expect(check).toHaveTextContent('no answer')
  expect(check).toHaveTextContent('5 sec')
})

test('servers behind a balancer are added up, or looked at one by one', async () => {
  let asked = 0
  const since: (string | null)[] = []
  server.use(
    http.get('/stats/history', ({ request, response }) => {
      since.push(new URL(request.url).searchParams.get('since'))
      asked += 1
      return response(200).json(asked % 2 ? history('a', 500) : history('b', 50))
    }),
  )
  await renderApp(StatusView)
  await loaded()
  await lookAgain()
  const choice = await screen.findByLabelText('Server')
  expect(number('Requests per second')).toHaveTextContent('110')
  expect(number('Keys')).toHaveTextContent('1,234')
  await userEvent.selectOptions(choice, 'b')
  expect(number('Requests per second')).toHaveTextContent('10')
  // The second answered only what was new: it is asked for everything, as long as it has not told that.
  await waitFor(async () => {
    await lookAgain()
    expect(since.length).toBeGreaterThanOrEqual(5)
  })
  expect(since.slice(0, 5)).toEqual([
    null,
    expect.any(String),
    null,
    null,
    '2026-01-01T00:00:10.000000Z',
  ])
})

test('when the service stops answering, what is shown says how old it is', async () => {
  await renderApp(StatusView)
  await loaded()
  server.use(http.get('/stats/history', ({ response }) => response.untyped(HttpResponse.error())))
  await lookAgain()
  expect(await screen.findByText(/^As of .*: the service does not answer/)).toBeVisible()
  expect(number('Requests per second')).toHaveTextContent('100')
})

test('who may not monitor is told so, and nothing is asked', async () => {
  server.use(
    http.get('/tokens/self', ({ response }) =>
      response(200).json({ token: null, scopes: [{ verbs: ['read'] }] }),
    ),
    http.get('/stats/history', () => {
      throw new Error('asked')
    }),
  )
  await renderApp(StatusView)
  expect(screen.getByText(/lacks the verb “monitor”/)).toBeVisible()
  expect(await screen.findByText('database')).toBeVisible()
  expect(within(document.body).queryByText('Failed requests')).toBeNull()
})
