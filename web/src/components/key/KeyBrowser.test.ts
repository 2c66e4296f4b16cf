import userEvent from '@testing-library/user-event'
import { screen, within } from '@testing-library/vue'
import { HttpResponse } from 'msw'
import { beforeEach, expect, test, vi } from 'vitest'

import { publishChange } from '@/stores/changes'
import { StoredKeys } from '@/testing/keys'
import { renderApp } from '@/testing/render'
import { http, server } from '@/testing/server'

import KeyBrowser from './KeyBrowser.vue'

// jsdom has no layout: without a height no row is in view.
beforeEach(() => {
  vi.spyOn(Element.prototype, 'clientHeight', 'get').mockReturnValue(640)
  vi.spyOn(Element.prototype, 'clientWidth', 'get').mockReturnValue(480)
})

const rows = () => screen.findAllByRole('option')
const texts = async () => (await rows()).map((row) => row.querySelector('.name')?.textContent)
const search = () => screen.getByRole('searchbox', { name: 'Key or its beginning' })

async function renderAt(url: string, language: 'en' | 'pt' = 'en') {
  const view = await renderApp(KeyBrowser, { url, language })
  return { ...view, query: () => view.router.currentRoute.value.query }
}

test('folders and keys are in one list, with what there is to know of them', async () => {
  const stored = new StoredKeys(['a/1', 'a/2'])
  stored.put('b', { size: 2048, content_type: 'application/json' })
  stored.put('c', { expires_at: new Date(Date.now() + 3_600_000).toISOString() })
  await renderAt('/store')
  expect(await texts()).toEqual(['a/', 'b', 'c'])
  const [folder, json, ends] = await rows()
  expect(folder).toHaveTextContent('Folder')
  expect(json).toHaveTextContent('2 kB')
  expect(json).toHaveTextContent('application/json')
  expect(ends).toHaveTextContent(/1h 0m|59m 59s/)
  expect(json).toHaveAttribute('aria-posinset', '2')
  expect(json).toHaveAttribute('aria-setsize', '3')
  expect(await screen.findByText('4 keys')).toBeVisible()
})

test('a folder is opened, and left by its path', async () => {
  new StoredKeys(['a/b/1', 'a/2'])
  const { query } = await renderAt('/store?prefix=a/b/')
  expect(await texts()).toEqual(['1'])
  const path = screen.getByRole('navigation', { name: 'Folders' })
  expect(within(path).getByText('b/')).toHaveAttribute('aria-current', 'page')
  await userEvent.click(within(path).getByRole('button', { name: 'a/' }))
  await vi.waitFor(async () => expect(await texts()).toEqual(['2', 'b/']))
  expect(query()).toEqual({ prefix: 'a/' })
  await userEvent.click((await rows())[1] as HTMLElement)
  await vi.waitFor(() => expect(query()).toEqual({ prefix: 'a/b/' }))
})

test('a key that has the name of its folder is shown by that name', async () => {
  new StoredKeys(['a/', 'a/1'])
  await renderAt('/store?prefix=a/')
  expect(await texts()).toEqual(['a/', '1'])
})

test('typing lists, Enter opens exactly this key', async () => {
  new StoredKeys(['alpha', 'beta'])
  const { query } = await renderAt('/store')
  expect(await texts()).toEqual(['alpha', 'beta'])
  await userEvent.type(search(), 'be')
  await vi.waitFor(async () => expect(await texts()).toEqual(['beta']))
  expect(query()).toEqual({ prefix: 'be' })
  await userEvent.type(search(), '{Enter}')
  await vi.waitFor(() => expect(query()).toEqual({ prefix: 'be', key: 'be' }))
})

test('the field follows the address, but not what it asked for itself', async () => {
  new StoredKeys(['a/1', 'b'])
  const { router } = await renderAt('/store?prefix=a/')
  expect(search()).toHaveValue('a/')
  await router.push('/store?prefix=b')
  await vi.waitFor(() => expect(search()).toHaveValue('b'))
})

test('the keyboard moves through the list and stays in it', async () => {
  new StoredKeys(['a', 'b', 'dir/1'])
  const { query } = await renderAt('/store')
  await rows()
  await userEvent.keyboard('/')
  expect(search()).toHaveFocus()
  await userEvent.keyboard('{ArrowDown}')
  const list = screen.getByRole('listbox')
  expect(list).toHaveFocus()
  const active = () => document.getElementById(list.getAttribute('aria-activedescendant') ?? '')
  expect(active()).toHaveTextContent('a')
  await userEvent.keyboard('{ArrowUp}{ArrowDown}')
  expect(active()).toHaveTextContent('b')
  await userEvent.keyboard('{Enter}')
  await vi.waitFor(() => expect(query()).toEqual({ key: 'b' }))
  expect(active()).toHaveAttribute('aria-selected', 'true')
  await userEvent.keyboard('{End}{ArrowRight}')
  await vi.waitFor(async () => expect(await texts()).toEqual(['1']))
  await userEvent.keyboard('{ArrowLeft}')
  await vi.waitFor(() => expect(active()).toHaveTextContent('dir/'))
  await userEvent.keyboard('{Home}x{Control>}{End}{/Control}')
  expect(active()).toHaveTextContent('a')
})

test('where the keyboard was stays when the list changes', async () => {
  const stored = new StoredKeys(['b', 'd'])
  await renderAt('/store')
  await rows()
  screen.getByRole('listbox').focus()
  await userEvent.keyboard('{End}')
  const active = () => document.querySelector('[data-active="true"] .name')?.textContent
  stored.put('a')
  publishChange({ event: 'put', key: 'a', version: '2' })
  await vi.waitFor(async () => expect(await texts()).toEqual(['a', 'b', 'd']))
  expect(active()).toBe('d')
  stored.delete('d')
  publishChange({ event: 'delete', key: 'd', version: '3' })
  await vi.waitFor(() => expect(active()).toBe('b'))
})

test('the flat list and the folders have their own addresses', async () => {
  new StoredKeys(['a/1'])
  const { query } = await renderAt('/store')
  expect(await texts()).toEqual(['a/'])
  await userEvent.click(screen.getByRole('button', { name: 'List' }))
  await vi.waitFor(async () => expect(await texts()).toEqual(['a/1']))
  expect(query()).toEqual({ view: 'list' })
})

test('an empty store and a prefix without keys say what one can do', async () => {
  new StoredKeys([])
  const { query } = await renderAt('/store?prefix=x%0Ay', 'pt')
  expect(await screen.findByText('Nenhuma chave começa por')).toBeVisible()
  expect(screen.getAllByText('\\n')).toHaveLength(2)
  await userEvent.click(screen.getByRole('button', { name: 'Criar esta chave' }))
  await vi.waitFor(() => expect(query().key).toBe('x\ny'))
  await userEvent.click(screen.getByRole('button', { name: 'Mostrar todas as chaves' }))
  expect(await screen.findByText('Ainda não há chaves')).toBeVisible()
  expect(screen.getByText(/curl -X PUT/)).toBeVisible()
  await userEvent.click(screen.getByRole('button', { name: 'Nova chave' }))
  await vi.waitFor(() => expect('new' in query()).toBe(true))
})

test('an error is told and tried again', async () => {
  new StoredKeys(['a'])
  server.use(
    http.get(
      '/keys',
      ({ request }) => (request.url.includes('count') ? undefined : HttpResponse.error()) as never,
    ),
  )
  await renderAt('/store')
  expect(await screen.findByRole('alert')).toHaveTextContent('The service cannot be reached')
  server.resetHandlers()
  new StoredKeys(['a'])
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }))
  expect(await texts()).toEqual(['a'])
})

test('who may list nothing is told, and asks for nothing', async () => {
  const stored = new StoredKeys(['a'])
  server.use(
    http.get('/tokens/self', ({ response }) =>
      response(200).json({ token: null, scopes: [{ verbs: ['read'] }] }),
    ),
  )
  await renderAt('/store')
  expect(screen.getByText(/Your access token lists no keys/)).toBeVisible()
  expect(stored.requests).toEqual([])
})
