import { useDocumentVisibility, useIntervalFn } from '@vueuse/core'
import { ref, watch } from 'vue'

import { useLoad } from './useLoad'
import { NetworkError } from '@/api/errors'

/** An answer that takes longer counts as none. */
const TIMEOUT_MS = 10_000

/** Loads something again and again, one request at a time, while the person can see it. */
export function usePolling<T>(load: (signal: AbortSignal) => Promise<T>, intervalMs: number) {
  /** When the data came, by our clock. */
  const loadedAt = ref<number>()
  const loaded = useLoad(async (signal) => {
    const timeout = AbortSignal.timeout(TIMEOUT_MS)
    try {
      const data = await load(AbortSignal.any([signal, timeout]))
      loadedAt.value = Date.now()
      return data
    } catch (error) {
      throw timeout.aborted && !signal.aborted ? new NetworkError({ cause: error }) : error
    }
  })
  const visibility = useDocumentVisibility()
  const poll = () => {
    if (visibility.value === 'visible' && !loaded.loading.value) void loaded.reload()
  }
  useIntervalFn(poll, intervalMs)
  watch(visibility, poll)
  return { ...loaded, loadedAt }
}
