import userEvent from '@testing-library/user-event'
import { screen } from '@testing-library/vue'
import { HttpResponse } from 'msw'
import { expect, test } from 'vitest'

import App from './App.vue'
import { renderApp } from './testing/render'
import { http, server } from './testing/server'

test('the language and the theme are switched and remembered', async () => {
  await renderApp(App, { url: '/nowhere', session: false })
  await screen.findByText('Page not found')
  await userEvent.selectOptions(screen.getByLabelText('Language'), 'Português')
  expect(await screen.findByText('Página não encontrada')).toBeVisible()
  expect(document.documentElement.lang).toBe('pt-PT')
  await userEvent.click(screen.getByRole('switch', { name: 'Tema escuro' }))
  expect(document.documentElement.dataset.bsTheme).toBe('dark')
  expect(localStorage.getItem('kverse.theme')).toBe('dark')
  expect(localStorage.getItem('kverse.language')).toBe('pt')
})

test('a service that is down at the start is told, and tried again', async () => {
  server.use(
    http.get('/tokens/self', ({ response }) => response.untyped(HttpResponse.error()), {
      once: true,
    }),
  )
  await renderApp(App, { url: '/nowhere', session: false })
  expect(await screen.findByRole('alert')).toHaveTextContent('The service cannot be reached')
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }))
  expect(await screen.findByText('Page not found')).toBeVisible()
})
