import { useIntervalFn } from '@vueuse/core'
import { computed, onScopeDispose, ref, shallowRef } from 'vue'

import { useLoad } from './useLoad'
import { isAbort } from '@/api/errors'
import { countKeys, deleteKeys, fetchKeys } from '@/api/keys'

const PREVIEW = 8
const COUNT_EVERY_MS = 1000

/** Deletes what begins with a prefix: how much that is, how far it got, and what was left when it was stopped. */
export function useDeletePrefix(prefix: string) {
  const found = useLoad(async (signal) => {
    const [counted, first] = await Promise.all([
      countKeys(prefix, signal),
      fetchKeys({ prefix, limit: PREVIEW }, signal),
    ])
    return { count: counted.keys, keys: first.keys.map(({ key }) => key) }
  })
  const state = ref<'asking' | 'deleting' | 'stopped' | 'done'>('asking')
  const error = shallowRef<unknown>()
  const left = ref<number>()
  const reported = ref(0)
  let stopping = new AbortController()
  const closing = new AbortController()

  /** How many are gone: what the service said, or what a count since then tells, which is known earlier. */
  const deleted = computed(() => {
    if (state.value === 'done') return reported.value
    const counted = (found.data.value?.count ?? 0) - (left.value ?? Infinity)
    return Math.max(reported.value, counted)
  })

  // The service deletes for seconds before it answers.
  let counting = false
  const progress = useIntervalFn(
    async () => {
      if (counting) return
      counting = true
      await count()
      counting = false
    },
    COUNT_EVERY_MS,
    { immediate: false },
  )

  async function count() {
    try {
      left.value = (await countKeys(prefix, closing.signal)).keys
    } catch {
      left.value = undefined
    }
  }

  async function run() {
    const before = deleted.value
    state.value = 'deleting'
    error.value = undefined
    stopping = new AbortController()
    progress.resume()
    try {
      for await (const sum of deleteKeys(prefix, stopping.signal)) {
        reported.value = before + sum
      }
      state.value = 'done'
    } catch (thrown) {
      if (!isAbort(thrown)) error.value = thrown
      await count()
      state.value = 'stopped'
    } finally {
      progress.pause()
    }
  }

  const stop = () => stopping.abort()
  onScopeDispose(() => {
    stop()
    closing.abort()
  })

  return { found, state, error, left, deleted, run, stop }
}
