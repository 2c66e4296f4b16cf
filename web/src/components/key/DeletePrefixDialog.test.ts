import userEvent from '@testing-library/user-event'
import { screen, waitFor } from '@testing-library/vue'
import { HttpResponse } from 'msw'
import { expect, test } from 'vitest'

import DeletePrefixButton from './DeletePrefixButton.vue'
import { problem } from '@/testing/problem'
import { renderApp } from '@/testing/render'
import { http, server } from '@/testing/server'

const entry = (key: string) => ({
  key,
  version: '1',
  size: 1,
  content_type: null,
  expires_at: null,
})

/** A service with so many keys below `tmp/`, of which an answer counts, and a deletion deletes, half. */
function serve(keys: number) {
  const state = { left: keys, asked: [] as string[] }
  server.use(
    http.get('/keys', ({ request, response }) => {
      const { searchParams: query } = new URL(request.url)
      if (query.get('count') === null) {
        const first = Array.from({ length: Math.min(state.left, 8) }, (_, i) => entry(`tmp/${i}`))
        return response(200).json({ keys: first, common_prefixes: [], cursor: null })
      }
      const half = Math.floor(state.left / 2)
      return query.get('cursor') === 'half'
        ? response(200).json({ count: state.left - half, cursor: null })
        : response(200).json({ count: half, cursor: 'half' })
    }),
    http.delete('/keys', ({ request, response }) => {
      const { searchParams: query } = new URL(request.url)
      state.asked.push(`${query.get('prefix')} ${query.get('confirm')} ${query.get('cursor')}`)
      const last = query.get('cursor') !== null
      const deleted = last ? state.left : Math.floor(state.left / 2)
      state.left -= deleted
      return response(200).json({ deleted, cursor: last ? null : 'next' })
    }),
  )
  return state
}

async function open(prefix: string) {
  const view = await renderApp(DeletePrefixButton, { props: { prefix } })
  await userEvent.click(screen.getByRole('button'))
  return view
}

test('deletes answer by answer what was confirmed', async () => {
  const state = serve(21)
  const { emitted } = await open('tmp/')
  expect(await screen.findByText(/21 keys will be deleted/)).toBeVisible()
  expect(screen.getByText('and 13 more')).toBeVisible()
  const confirm = screen.getByRole('button', { name: 'Delete 21 keys' })
  await userEvent.type(screen.getByRole('textbox'), 'tmp')
  expect(confirm).toBeDisabled()
  await userEvent.type(screen.getByRole('textbox'), '/{Enter}')
  expect(await screen.findByText('21 keys were deleted.')).toBeVisible()
  expect(state.asked).toEqual(['tmp/ tmp/ null', 'tmp/ tmp/ next'])
  expect(screen.getByRole('progressbar')).toHaveAttribute('aria-valuenow', '100')
  await userEvent.click(screen.getAllByRole('button', { name: 'Close' }).at(-1) as HTMLElement)
  expect(emitted('deleted')).toHaveLength(1)
  await waitFor(() => expect(screen.queryByRole('dialog')).not.toBeInTheDocument())
})

test('everything is confirmed by a star', async () => {
  const state = serve(4)
  await open('')
  await userEvent.type(await screen.findByRole('textbox'), '*{Enter}')
  expect(await screen.findByText('4 keys were deleted.')).toBeVisible()
  expect(state.asked[0]).toBe(' * null')
})

test('what failed tells what is left, and goes on', async () => {
  const state = serve(10)
  await open('tmp/')
  const down = http.delete('/keys', ({ request, response }) => {
    if (!request.url.includes('cursor=next')) return undefined
    return response.untyped(problem(503, 'unavailable'))
  })
  server.use(down)
  await userEvent.type(await screen.findByRole('textbox'), 'tmp/{Enter}')
  expect(await screen.findByText(/5 keys are left/)).toBeVisible()
  expect(screen.getByText(/The service is not available/)).toBeVisible()
  expect(state.left).toBe(5)
  server.resetHandlers()
  serve(5)
  await userEvent.click(screen.getByRole('button', { name: 'Delete the rest' }))
  expect(await screen.findByText('10 keys were deleted.')).toBeVisible()
})

test('a deletion is stopped, and a count that fails says so', async () => {
  serve(10)
  const { emitted } = await open('tmp/')
  server.use(http.delete('/keys', () => new Promise(() => undefined)))
  await userEvent.type(await screen.findByRole('textbox'), 'tmp/{Enter}')
  await screen.findByText(/0 of 10 keys deleted/)
  server.use(http.get('/keys', () => HttpResponse.error()))
  await userEvent.click(screen.getByRole('button', { name: 'Stop' }))
  expect(await screen.findByText(/could not be found out/)).toBeVisible()
  await userEvent.click(screen.getAllByRole('button', { name: 'Close' }).at(-1) as HTMLElement)
  expect(emitted('deleted')).toHaveLength(1)
})

test('nothing to delete is said, and nothing reported', async () => {
  serve(0)
  const { emitted } = await open('tmp/')
  expect(await screen.findByText('No key begins with this prefix')).toBeVisible()
  await userEvent.click(screen.getByRole('button', { name: 'Close' }))
  expect(emitted('deleted')).toBeUndefined()
})

test('who may not delete or list is not offered it', async () => {
  server.use(
    http.get('/tokens/self', ({ response }) =>
      response(200).json({
        token: null,
        scopes: [{ verbs: ['list'] }, { verbs: ['delete'], prefix: 'tmp/' }],
      }),
    ),
  )
  await renderApp(DeletePrefixButton, { props: { prefix: '' } })
  expect(screen.queryByRole('button')).not.toBeInTheDocument()
})
