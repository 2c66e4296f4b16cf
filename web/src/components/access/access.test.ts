import userEvent from '@testing-library/user-event'
import { screen, waitFor, within } from '@testing-library/vue'
import { expect, test, vi } from 'vitest'

import App from '@/App.vue'
import { api, data } from '@/api/client'
import { reload } from '@/router/reload'
import { problem } from '@/testing/problem'
import { renderApp } from '@/testing/render'
import { http, server } from '@/testing/server'

vi.mock('@/router/reload')

const TOKEN = `kv_me_${'x'.repeat(40)}`
const MINUTE = 60_000

/** A service that asks for the token until `refuse` makes it invalid. */
function serve(options: { expires?: number; verbs?: ('read' | 'list' | 'admin')[] } = {}) {
  const { expires, verbs = ['read', 'list', 'admin'] } = options
  const state = { valid: true, asked: 0 }
  server.use(
    http.get('/tokens/self', ({ request, response }) => {
      state.asked++
      const shown = request.headers.get('Authorization')
      if (!shown) return response.untyped(problem(401, 'missing_token'))
      const isMine = shown === `Bearer ${TOKEN}`
      if (!isMine || !state.valid) return response.untyped(problem(401, 'invalid_token'))
      const scopes = [{ verbs, prefix: '' }]
      const expires_at = expires === undefined ? null : new Date(Date.now() + expires).toISOString()
      const token = { id: 'me', name: 'My token', scopes, created_at: '', expires_at }
      return response(200).json({ token, scopes })
    }),
    http.get('/limits', ({ response }) => response.untyped(problem(401, 'invalid_token'))),
  )
  return state
}

async function signIn(token = TOKEN) {
  await userEvent.type(await screen.findByLabelText('Access token'), token)
  const form = screen.getByLabelText('Access token').closest('form') as HTMLElement
  await userEvent.click(within(form).getByRole('button', { name: 'Sign in' }))
}

test('the form stands in place of the page until there is a token', async () => {
  const state = serve()
  const { router } = await renderApp(App, { url: '/nowhere?a=b', session: false })
  await screen.findByRole('heading', { name: 'Sign in' })
  expect(document.title).toBe('Sign in · KVerse')
  await signIn('kv_me_short')
  expect(screen.getByText(/This is not a whole token/)).toBeVisible()
  expect(state.asked).toBe(1)
  await userEvent.clear(screen.getByLabelText('Access token'))
  await signIn(` ${TOKEN} `)
  expect(await screen.findByText('Page not found')).toBeVisible()
  expect(router.currentRoute.value.fullPath).toBe('/nowhere?a=b')
})

test('the token is hidden until it is to be shown', async () => {
  serve()
  await renderApp(App, { url: '/nowhere', session: false })
  const field = await screen.findByLabelText('Access token')
  expect(field).toHaveAttribute('type', 'password')
  expect(field).not.toHaveAttribute('name')
  await waitFor(() => expect(field).toHaveFocus())
  await userEvent.click(screen.getByRole('button', { name: 'Show the token' }))
  expect(field).toHaveAttribute('type', 'text')
})

test('too many attempts are told with the time to wait', async () => {
  serve()
  await renderApp(App, { url: '/nowhere', session: false })
  await screen.findByLabelText('Access token')
  server.use(
    http.get('/tokens/self', ({ response }) =>
      response.untyped(problem(429, 'too_many_requests', {}, { 'Retry-After': '7' })),
    ),
  )
  await signIn()
  expect(await screen.findByText('Try again in 7 seconds.')).toBeVisible()
  expect(screen.getByLabelText('Access token')).toHaveValue(TOKEN)
})

test('who is signed in is shown, and signs out', async () => {
  serve({ expires: 3.5 * MINUTE })
  await renderApp(App, { url: '/sign-in', session: false })
  await signIn()
  const card = await screen.findByRole('region', { name: 'My token' })
  expect(card).toHaveTextContent('Your token expires in 4 minutes.')
  expect(card).toHaveTextContent('read list all keys')
  expect(card).toHaveTextContent('administer access tokens, and so everything')
  await userEvent.click(within(card).getByRole('button', { name: 'Sign out' }))
  await waitFor(() => expect(reload).toHaveBeenCalledOnce())
})

test('a token that ends is asked for over the page, which stays', async () => {
  const state = serve()
  await renderApp(App, { url: '/sign-in', session: false })
  await signIn()
  await screen.findByRole('region', { name: 'My token' })
  state.valid = false
  await expect(data(api.GET('/limits'))).rejects.toThrow('invalid_token')
  const dialog = await screen.findByRole('dialog', { name: 'Sign in again' })
  expect(screen.getByRole('region', { name: 'My token' })).toBeInTheDocument()
  await signIn()
  expect(await within(dialog).findByText(/it is unknown, was revoked/)).toBeVisible()

  await userEvent.click(within(dialog).getByRole('button', { name: 'Close' }))
  await waitFor(() => expect(screen.queryByRole('dialog')).not.toBeInTheDocument())
  await userEvent.click(screen.getByRole('button', { name: 'Sign in' }))
  state.valid = true
  await signIn()
  await waitFor(() => expect(screen.queryByRole('dialog')).not.toBeInTheDocument())
  expect(screen.getByRole('button', { name: /My token/ })).toBeVisible()
})

test('a page that the token does not open says what it needs', async () => {
  serve({ verbs: ['read'] })
  await renderApp(App, { url: '/changes', session: false })
  await signIn()
  expect(await screen.findByText(/It needs to allow “watch”/)).toBeVisible()
  expect(screen.getByRole('link', { name: /^Changes/ })).toHaveTextContent('does not allow it')
  expect(screen.getByRole('link', { name: 'Store' })).toBeVisible()
})

test('a service that asks for no token offers no sign-in', async () => {
  await renderApp(App, { url: '/sign-in', session: false })
  expect(await screen.findByText(/does not ask who you are/)).toBeVisible()
  expect(screen.queryByRole('button', { name: /Signed in/ })).not.toBeInTheDocument()
})
