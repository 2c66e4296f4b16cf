import { render } from '@testing-library/vue'
import { createPinia } from 'pinia'
import { expect, test, vi } from 'vitest'
import { defineComponent, ref } from 'vue'

import { publishChange } from '@/stores/changes'
import { http, server } from '@/testing/server'

import { useKeyCount } from './useKeyCount'

function start(first = '') {
  const prefix = ref(first)
  let counted = undefined as ReturnType<typeof useKeyCount> | undefined
  render(
    defineComponent({
      setup() {
        counted = useKeyCount(() => prefix.value)
        return () => null
      },
    }),
    { global: { plugins: [createPinia()] } },
  )
  if (!counted) throw new Error('not set up')
  return { prefix, count: counted.count }
}

/** A service that counts 100,000 keys in one request. */
function serve(keys: () => number) {
  const asked: string[] = []
  server.use(
    http.get('/keys', ({ request, response }) => {
      const query = new URL(request.url).searchParams
      asked.push(query.get('prefix') ?? '')
      const start = Number(query.get('cursor') ?? 0)
      const count = Math.min(100_000, keys() - start)
      const end = start + count
      return response(200).json({ count, cursor: end < keys() ? String(end) : null })
    }),
  )
  return asked
}

test('a long count is continued', async () => {
  const asked = serve(() => 250_000)
  const { count } = start('a')
  await vi.waitFor(() => expect(count.value).toEqual({ prefix: 'a', keys: 250_000, more: false }))
  expect(asked).toEqual(['a', 'a', 'a'])
})

test('an endless one is not', async () => {
  const asked = serve(() => 1_000_000_000)
  const { count } = start()
  await vi.waitFor(() => expect(count.value).toMatchObject({ keys: 5_000_000, more: true }))
  expect(asked).toHaveLength(50)
})

test('changes with the prefix are counted, others not', async () => {
  let keys = 1
  const asked = serve(() => keys)
  const { count } = start('a')
  await vi.waitFor(() => expect(count.value?.keys).toBe(1))
  publishChange({ event: 'put', key: 'b', version: '1' })
  keys = 2
  publishChange({ event: 'put', key: 'a2', version: '1' })
  await vi.waitFor(() => expect(count.value?.keys).toBe(2))
  expect(asked).toHaveLength(2)
})
