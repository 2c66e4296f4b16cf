import { waitFor } from '@testing-library/vue'
import { HttpResponse } from 'msw'
import { afterEach, expect, test, vi } from 'vitest'
import { createPinia, setActivePinia } from 'pinia'
import { effectScope, ref, type EffectScope, type Ref } from 'vue'

import { useChanges, type FeedState } from './useChanges'
import type { KeyChange } from '@/api/changeFeed'
import { onChangeGap, onKeyChange } from '@/stores/changes'
import { useSession } from '@/stores/session'
import { mockFeed, put } from '@/testing/feed'
import { http, server } from '@/testing/server'

const problem = (status: number, code: string) => () =>
  HttpResponse.json({ code, detail: `it is ${code}`, status }, { status })

const scopes: EffectScope[] = []
afterEach(() => {
  for (const scope of scopes.splice(0)) scope.stop()
  vi.useRealTimers()
})

function follow(prefix: Ref<string> = ref(''), enabled = ref(true)) {
  setActivePinia(createPinia())
  const changes: KeyChange[] = []
  const gaps: string[] = []
  const scope = effectScope()
  scopes.push(scope)
  const feed = scope.run(() => {
    onKeyChange((change) => changes.push(change))
    onChangeGap(() => gaps.push('gap'))
    return useChanges(prefix, { enabled })
  })
  if (!feed) throw new Error('no scope')
  return { ...feed, scope, changes, gaps, enabled }
}

const becomes = (state: Readonly<Ref<FeedState>>, name: FeedState['name']) =>
  waitFor(() => expect(state.value.name).toBe(name))

test('changes are published as they come, with the access token as a header', async () => {
  const feed = mockFeed()
  setActivePinia(createPinia())
  server.use(
    http.get('/tokens/self', ({ response }) => response(200).json({ token: null, scopes: [] })),
  )
  await useSession().signIn('kv_a_b', false)
  const { state, changes } = follow(ref('user/'))
  expect(state.value.name).toBe('connecting')
  await waitFor(() =>
    expect(feed.asked).toEqual([{ prefix: 'user/', since: null, token: 'Bearer kv_a_b' }]),
  )
  feed.send('retry: 1000\nid: 1\n\n')
  await becomes(state, 'live')
  feed.send(
    put(2, 'user/1') +
      'event: news\nid: 3\ndata: x\n\nevent: expire\nid: 4\ndata: {"key":"user/2","version":"9"}\n\n',
  )
  await waitFor(() => expect(changes).toHaveLength(2))
  expect(changes).toMatchObject([
    { event: 'put', key: 'user/1', version: '2' },
    { event: 'expire', key: 'user/2', version: '9' },
  ])
})

test('it goes on after the last position, at once when the network is back', async () => {
  const feed = mockFeed()
  const { state, changes } = follow()
  await waitFor(() => expect(feed.asked).toHaveLength(1))
  feed.send('id: 7\n\n')
  await becomes(state, 'live')
  feed.fail()
  await becomes(state, 'reconnecting')
  expect(state.value).toMatchObject({ attempt: 1 })
  window.dispatchEvent(new Event('online'))
  await waitFor(() => expect(feed.asked).toHaveLength(2))
  expect(feed.asked[1]?.since).toBe('7')
  feed.send(put(8))
  await becomes(state, 'live')
  expect(changes).toHaveLength(1)
  // A server that stops ends the stream.
  feed.end()
  await becomes(state, 'reconnecting')
  expect(state.value).toMatchObject({ attempt: 1 })
})

test('it backs off while the service does not answer, and waits as long as that asks', async () => {
  const feed = mockFeed()
  feed.refusals.push(
    () => HttpResponse.error(),
    () => HttpResponse.json({}, { status: 503, headers: { 'Retry-After': '20' } }),
  )
  const { state } = follow()
  await becomes(state, 'reconnecting')
  window.dispatchEvent(new Event('online'))
  await waitFor(() => expect(state.value).toMatchObject({ attempt: 2 }))
  const { at } = state.value as Extract<FeedState, { name: 'reconnecting' }>
  expect(at - Date.now()).toBeGreaterThan(15_000)
})

test('changes that the service no longer knows are a gap, after which it starts anew', async () => {
  const feed = mockFeed()
  const { state, missedAt, gaps } = follow()
  await waitFor(() => expect(feed.asked).toHaveLength(1))
  feed.send('id: 7\n\n')
  await becomes(state, 'live')
  feed.refusals.push(problem(410, 'gone'))
  feed.end()
  await becomes(state, 'reconnecting')
  expect(missedAt.value).toBeUndefined()
  window.dispatchEvent(new Event('online'))
  await waitFor(() => expect(feed.asked.map(({ since }) => since)).toEqual([null, '7', null]))
  expect(missedAt.value).toBeDefined()
  expect(gaps).toEqual(['gap'])
  // The same, said by a stream.
  feed.send('id: 9\n\nevent: error\ndata: {"status":410,"code":"gone","detail":"gone"}\n\n')
  await waitFor(() => expect(feed.asked).toHaveLength(4))
  expect(feed.asked[3]?.since).toBeNull()
})

test.each([
  [501, 'unsupported'],
  [403, 'forbidden_watch'],
  [401, 'missing_token'],
])('after %i it does not ask again', async (status, code) => {
  const feed = mockFeed()
  feed.refusals.push(problem(status, code))
  const { state, connect } = follow()
  await becomes(state, 'refused')
  expect(state.value).toMatchObject({ error: { status, message: `it is ${code}` } })
  connect()
  feed.send('id: 1\n\n')
  await waitFor(() => expect(feed.asked).toHaveLength(2))
})

test('it follows the prefix, and ends when it is switched off or nobody needs it', async () => {
  const feed = mockFeed()
  const prefix = ref('a')
  const { state, scope, enabled } = follow(prefix)
  await waitFor(() => expect(feed.asked).toHaveLength(1))
  prefix.value = 'b'
  await waitFor(() => expect(feed.asked).toHaveLength(2))
  expect(feed.asked[1]?.prefix).toBe('b')
  enabled.value = false
  await becomes(state, 'off')
  await waitFor(() => expect(feed.cancelled()).toBe(2))
  enabled.value = true
  await waitFor(() => expect(feed.asked).toHaveLength(3))
  scope.stop()
  await waitFor(() => expect(feed.cancelled()).toBe(3))
})

test('a tab that nobody looks at gives its connection back, until someone does', async () => {
  const feed = mockFeed()
  const { state } = follow()
  await waitFor(() => expect(feed.asked).toHaveLength(1))
  feed.send('id: 5\n\n')
  await becomes(state, 'live')
  const hidden = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden')
  vi.useFakeTimers()
  document.dispatchEvent(new Event('visibilitychange'))
  await vi.advanceTimersByTimeAsync(19_000)
  expect(state.value.name).toBe('live')
  await vi.advanceTimersByTimeAsync(2_000)
  expect(state.value.name).toBe('off')
  vi.useRealTimers()
  hidden.mockReturnValue('visible')
  document.dispatchEvent(new Event('visibilitychange'))
  await waitFor(() => expect(feed.asked[1]?.since).toBe('5'))
})
