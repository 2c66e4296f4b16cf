import userEvent from '@testing-library/user-event'
import { screen, waitFor, within } from '@testing-library/vue'
import { HttpResponse } from 'msw'
import { expect, test } from 'vitest'

import LiveBadge from '@/components/changes/LiveBadge.vue'
import { mockFeed, put } from '@/testing/feed'
import { renderApp } from '@/testing/render'

import ChangesView from './ChangesView.vue'

async function open(url = '/changes') {
  const feed = mockFeed()
  const view = await renderApp(ChangesView, { url })
  await waitFor(() => expect(feed.asked).toHaveLength(1))
  feed.send('id: 1\n\n')
  await screen.findByText('Connected')
  return { feed, ...view }
}

const rows = () =>
  screen.getAllByRole('listitem').map((row) => within(row).getByRole('link').textContent?.trim())

test('without changes it says how to make one', async () => {
  await open('/changes?prefix=it%27s/')
  expect(screen.getByText('No changes yet')).toBeVisible()
  expect(screen.getByText(/kverse-cli .* put/)).toHaveTextContent("put 'it'\\''s/greeting' hello")
})

test('the newest change comes first, once, with a link to its key', async () => {
  const { feed } = await open()
  feed.send(
    put(2) + put(3) + put(3) + 'event: expire\nid: 4\ndata: {"key":"a b","version":"4"}\n\n',
  )
  await waitFor(() => expect(rows()).toEqual(['a b', 'k3', 'k2']))
  expect(screen.getByText('Expired')).toBeVisible()
  expect(screen.getByRole('link', { name: 'a b' })).toHaveAttribute('href', '/store?key=a+b')
})

test('paused, changes are counted; then they are shown', async () => {
  const { feed } = await open()
  await userEvent.click(screen.getByRole('button', { name: 'Pause' }))
  expect(screen.getByText('Nothing new since you paused.')).toBeVisible()
  feed.send(Array.from({ length: 128 }, (_, i) => put(i + 2)).join(''))
  expect(await screen.findByText('128 new changes.')).toBeVisible()
  expect(screen.queryAllByText(/^version/)).toHaveLength(0)
  await userEvent.click(screen.getByText('Resume'))
  expect(screen.getAllByText(/^version/)).toHaveLength(128)
  expect(screen.getAllByText(/^version/)[0]).toHaveTextContent('version 129')
  await userEvent.click(screen.getByText('Clear'))
  expect(screen.getByText('No changes yet')).toBeVisible()
})

test('a lost connection shows when it is tried again, and can be tried at once', async () => {
  const { feed } = await open()
  feed.fail()
  expect(await screen.findByText(/Reconnecting/)).toHaveTextContent('(attempt 1)')
  await userEvent.click(screen.getByRole('button', { name: 'Connect now' }))
  await waitFor(() => expect(feed.asked[1]?.since).toBe('1'))
})

test('missed changes are told', async () => {
  const { feed } = await open()
  feed.send('event: error\ndata: {"status":410,"code":"gone","detail":"gone"}\n\n')
  expect(await screen.findByText(/Some changes were missed/)).toBeVisible()
  await userEvent.click(screen.getByRole('button', { name: 'Close' }))
  expect(screen.queryByText(/Some changes were missed/)).toBeNull()
})

test('a filter is a new question, and part of the address', async () => {
  const { feed, router } = await open()
  feed.send(put(2) + put(3))
  await waitFor(() => expect(rows()).toHaveLength(2))
  await userEvent.type(screen.getByLabelText('Filter by prefix'), 'k3')
  await waitFor(() => expect(router.currentRoute.value.fullPath).toBe('/changes?prefix=k3'))
  expect(rows()).toEqual(['k3'])
  await waitFor(() => expect(feed.asked.at(-1)?.prefix).toBe('k3'))
})

test('why the feed is refused is said', async () => {
  const feed = mockFeed()
  feed.refusals.push(() =>
    HttpResponse.json(
      { code: 'unsupported', detail: 'there is no feed', status: 501 },
      { status: 501 },
    ),
  )
  await renderApp(ChangesView)
  expect(await screen.findByRole('alert')).toHaveTextContent('The service does not offer this.')
  expect(screen.getByText('Not available')).toBeVisible()
})

test('the store page follows what its list and its open key have in common, unless switched off', async () => {
  const feed = mockFeed()
  const { router } = await renderApp(LiveBadge, { url: '/store?prefix=user/a&key=user/b' })
  await waitFor(() => expect(feed.asked.at(-1)?.prefix).toBe('user/'))
  await router.push('/store?prefix=user/a')
  await waitFor(() => expect(feed.asked.at(-1)?.prefix).toBe('user/a'))
  feed.send('id: 1\n\n')
  expect(await screen.findByText('Connected')).toBeVisible()
  await userEvent.click(screen.getByRole('switch', { name: 'Live' }))
  expect(screen.queryByText('Connected')).toBeNull()
  await waitFor(() => expect(feed.cancelled()).toBe(2))
})
