import userEvent from '@testing-library/user-event'
import { screen } from '@testing-library/vue'
import { beforeEach, expect, test } from 'vitest'

import AppFooter from '@/components/layout/AppFooter.vue'
import AppHeader from '@/components/layout/AppHeader.vue'
import { renderApp } from '@/testing/render'
import { http, server } from '@/testing/server'

import HomeView from './HomeView.vue'

const info = (authentication: 'none' | 'tokens') =>
  http.get('/info', ({ response }) =>
    response(200).json({
      version: '1.2.3',
      server: 'a',
      authentication,
      links: {
        database: 'http://127.0.0.1:5051/',
        grafana: 'http://127.0.0.1:3002/',
        docs: '/docs',
      },
    }),
  )

beforeEach(() => {
  server.use(
    http.get('/stats', ({ response }) =>
      response(200).json({ items: 12_345, as_of: '2026-01-01T00:00:00.000000Z' }),
    ),
    http.get('/stats/history', ({ response }) =>
      response(200).json({
        server: 'a',
        interval_ms: 5000,
        now: '2026-01-01T00:00:00.000000Z',
        cache: { mode: 'none' },
        samples: [],
      }),
    ),
    http.get('/readyz', ({ response }) => response(200).json({ status: 'ok', checks: [] })),
  )
})

test('a key is looked up on the store page', async () => {
  const { router } = await renderApp(HomeView)
  await userEvent.type(
    screen.getByRole('searchbox', { name: 'Key or its beginning' }),
    'a/b c{Enter}',
  )
  await expect
    .poll(() => router.currentRoute.value.fullPath, { timeout: 5000 })
    .toBe('/store?prefix=a/b+c&key=a/b+c')
})

test('it says how many keys there are, and whether the service works', async () => {
  await renderApp(HomeView)
  expect(await screen.findByText('12,345')).toBeVisible()
  expect(await screen.findByText('Ready')).toBeVisible()
})

test('who may not monitor sees no numbers', async () => {
  server.use(
    http.get('/tokens/self', ({ response }) =>
      response(200).json({ token: null, scopes: [{ verbs: ['read'] }] }),
    ),
  )
  await renderApp(HomeView)
  expect(screen.getByRole('searchbox', { name: 'Key or its beginning' })).toBeVisible()
  expect(screen.queryByText('Requests per second')).toBeNull()
})

test('the commands are for this address, and have a token where one is needed', async () => {
  server.use(info('tokens'))
  const Page = { components: { HomeView, AppFooter }, template: '<HomeView /><AppFooter />' }
  await renderApp(Page)
  expect(await screen.findByText(/Authorization: Bearer \$KVERSE_TOKEN/)).toHaveTextContent(
    `${location.origin}/kv/greeting`,
  )
  expect(screen.getByText(/export KVERSE_TOKEN=/)).toBeVisible()
})

test('header and footer lead to what is configured', async () => {
  server.use(info('none'))
  const Page = { components: { AppHeader, AppFooter }, template: '<AppHeader /><AppFooter />' }
  await renderApp(Page)
  expect(await screen.findByText('Version 1.2.3')).toBeVisible()
  for (const link of screen.getAllByRole('link', { name: 'Database GUI' })) {
    expect(link).toHaveAttribute('href', 'http://127.0.0.1:5051/')
    expect(link).toHaveAttribute('rel', 'noreferrer')
  }
  expect(screen.getByRole('link', { name: 'Grafana' })).toHaveAttribute('rel', 'noreferrer')
})
