import { render } from '@testing-library/vue'
import { HttpResponse } from 'msw'
import { createPinia } from 'pinia'
import { expect, test, vi } from 'vitest'
import { defineComponent, reactive } from 'vue'

import { publishChange, publishGap } from '@/stores/changes'
import { StoredKeys } from '@/testing/keys'
import { http, server } from '@/testing/server'

import { useKeyList } from './useKeyList'

const numbered = (count: number) =>
  Array.from({ length: count }, (_, index) => `k${String(index).padStart(4, '0')}`)

async function start(prefix = '', folders = true) {
  const query = reactive({ prefix, folders })
  let keys = undefined as ReturnType<typeof useKeyList> | undefined
  const component = defineComponent({
    setup() {
      keys = useKeyList(() => ({ ...query }))
      return () => null
    },
  })
  const view = render(component, { global: { plugins: [createPinia()] } })
  if (!keys) throw new Error('not set up')
  const { list, loading } = keys
  await vi.waitFor(() => expect(loading.value).toBe(false))
  const names = () => {
    const rows = list.value?.rows
    return Array.from({ length: rows?.length ?? 0 }, (_, at) => rows?.at(at)?.name)
  }
  return { ...keys, ...view, query, names }
}

function change(event: 'put' | 'delete' | 'expire', key: string) {
  publishChange({ event, key, version: '1' })
}

test('a put is inserted where it belongs, a deletion removed, and what is elsewhere ignored', async () => {
  const stored = new StoredKeys(['a/b', 'a/d'])
  const { names } = await start('a/')
  stored.put('a/c', { size: 5 })
  change('put', 'a/c')
  change('put', 'b')
  await vi.waitFor(() => expect(names()).toEqual(['a/b', 'a/c', 'a/d']))
  stored.delete('a/b')
  change('delete', 'a/b')
  await vi.waitFor(() => expect(names()).toEqual(['a/c', 'a/d']))
})

test('a put of a key that is there shows its new size', async () => {
  const stored = new StoredKeys(['a', 'ab'])
  const { list } = await start()
  stored.put('a', { size: 12_345 })
  change('put', 'a')
  await vi.waitFor(() => expect(list.value?.rows.at(0)?.size).toBe(12_345))
  expect(list.value?.rows.length).toBe(2)
})

test('a deletion that is told after the key was written again removes nothing', async () => {
  const stored = new StoredKeys(['a', 'b'])
  const { names } = await start()
  stored.listed()
  change('delete', 'a')
  await vi.waitFor(() => expect(stored.listed()).toHaveLength(1))
  expect(names()).toEqual(['a', 'b'])
})

test('a folder comes with its first key and goes with its last', async () => {
  const stored = new StoredKeys(['m', 'z/1', 'z/2'])
  const { names } = await start()
  stored.put('a/1')
  change('put', 'a/1')
  await vi.waitFor(() => expect(names()).toEqual(['a/', 'm', 'z/']))
  stored.delete('z/1')
  change('delete', 'z/1')
  stored.delete('a/1')
  change('expire', 'a/1')
  await vi.waitFor(() => expect(names()).toEqual(['m', 'z/']))
})

test('many changes are one request for what is looked at; the rest is read when it is looked at', async () => {
  const stored = new StoredKeys(numbered(5000))
  const { list, names, loadMore, look } = await start('', false)
  for (let page = 0; page < 5; page++) await loadMore()
  expect(names()).toHaveLength(5000)
  look(2000, 2040)
  stored.listed()
  for (const key of numbered(5000)) {
    if (Number(key.slice(1)) % 2 === 0) continue
    stored.delete(key)
    change('delete', key)
  }
  stored.put('k2001x')
  change('put', 'k2001x')
  await vi.waitFor(() => expect(names().slice(1999, 2004)).toEqual([
    'k1999', 'k2000', 'k2001x', 'k2002', 'k2004',
  ])) // prettier-ignore
  expect(stored.listed()).toHaveLength(1)
  look(0, 40)
  await vi.waitFor(() => expect(names().slice(0, 3)).toEqual(['k0000', 'k0002', 'k0004']))
  expect(stored.listed()).toHaveLength(1)
  const end = (list.value?.rows.length ?? 0) - 1
  look(end - 40, end)
  await vi.waitFor(() => expect(names().slice(-2)).toEqual(['k4996', 'k4998']))
})

test('a row of a folder is passed over when the rows after it are read again', async () => {
  const folders = numbered(30).map((name) => `${name}/`)
  const stored = new StoredKeys(folders.map((folder) => `${folder}1`))
  const { names, look } = await start()
  look(10, 20)
  stored.delete(`${folders[11]}1`)
  publishGap()
  await vi.waitFor(() => expect(names()).toHaveLength(29))
  expect(names()).toEqual(folders.filter((_, index) => index !== 11))
})

test('a change while its page is loaded is not lost', async () => {
  const stored = new StoredKeys(numbered(150))
  const { names, loadMore, look } = await start('', false)
  stored.listed()
  const loaded = loadMore()
  await vi.waitFor(() => expect(stored.requests).toHaveLength(1))
  stored.put('k0120x')
  change('put', 'k0120x')
  await loaded
  look(100, 140)
  await vi.waitFor(() => expect(names()).toContain('k0120x'))
})

test('when the next page fails, what is loaded stays, and it goes on from there', async () => {
  new StoredKeys(numbered(250))
  const { names, loadMore, moreError, more } = await start('', false)
  server.use(
    http.get('/keys', ({ response }) => response.untyped(HttpResponse.error()), { once: true }),
  )
  await loadMore()
  expect(moreError.value).toBeDefined()
  expect([names().length, more.value]).toEqual([100, true])
  await loadMore()
  expect(moreError.value).toBeUndefined()
  expect(names()).toEqual(numbered(250))
  expect(more.value).toBe(false)
})

test('changes that cannot be read are read when one looks again', async () => {
  const stored = new StoredKeys(['a', 'c'])
  const { names, look } = await start()
  stored.put('b')
  let failed = 0
  const fail = http.get('/keys', ({ response }) => {
    failed += 1
    return response.untyped(HttpResponse.error())
  })
  server.use(fail)
  change('put', 'b')
  await vi.waitFor(() => expect(failed).toBe(1))
  expect(names()).toEqual(['a', 'c'])
  server.resetHandlers()
  stored.serve()
  await vi.waitFor(() => {
    look(0, 1)
    expect(names()).toEqual(['a', 'b', 'c'])
  })
})

test('a later prefix wins over an earlier answer', async () => {
  new StoredKeys(['a1', 'b1'])
  const { query, names, loading } = await start()
  let release: () => void = () => undefined
  let released = false
  server.use(
    http.get('/keys', async ({ request }) => {
      if (new URL(request.url).searchParams.get('prefix') !== 'a') return undefined
      await new Promise<void>((resolve) => (release = resolve))
      released = true
      return undefined
    }),
  )
  query.prefix = 'a'
  await vi.waitFor(() => expect(loading.value).toBe(true))
  query.prefix = 'b'
  await vi.waitFor(() => expect(names()).toEqual(['b1']))
  release()
  await vi.waitFor(() => expect(released).toBe(true))
  expect(names()).toEqual(['b1'])
})

test('what was changed in the list before does not get into the next', async () => {
  const stored = new StoredKeys(['a1', 'b1'])
  const { query, names } = await start()
  stored.put('a2')
  change('put', 'a2')
  query.prefix = 'b'
  await vi.waitFor(() => expect(names()).toEqual(['b1']))
  stored.put('b2')
  change('put', 'b2')
  await vi.waitFor(() => expect(names()).toEqual(['b1', 'b2']))
})

test('keys disappear when they expire', async () => {
  const stored = new StoredKeys(['a'])
  stored.put('b', { expires_at: new Date(Date.now() + 1500).toISOString() })
  const { names } = await start()
  expect(names()).toEqual(['a', 'b'])
  await vi.waitFor(() => expect(names()).toEqual(['a']), { timeout: 4000 })
})

test('pages that are empty but not the last are passed over', async () => {
  let asked = 0
  server.use(
    http.get('/keys', ({ response }) => {
      asked += 1
      const key = { key: 'a', version: '1', size: 1, content_type: null, expires_at: null }
      const last = asked === 3
      return response(200).json({
        keys: last ? [key] : [],
        common_prefixes: [],
        cursor: last ? null : String(asked),
      })
    }),
  )
  const { names } = await start()
  expect(names()).toEqual(['a'])
})
