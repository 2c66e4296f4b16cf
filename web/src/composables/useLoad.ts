import { onScopeDispose, ref, shallowRef, watch, type WatchSource } from 'vue'

import { ApiError, isAbort } from '@/api/errors'
import { useSession } from '@/stores/session'

interface LoadOptions {
  /** Loads again when one of these changes. */
  watch?: WatchSource<unknown> | WatchSource<unknown>[]
  /** Loads at once, not only on `reload()`. @default true */
  immediate?: boolean
  /** Keeps the data of before while the next is loaded, so that nothing jumps. @default true */
  keep?: boolean
}

/**
 * Loads something and follows it: a later call aborts the earlier, whose answer cannot overwrite it, and so does the end
 * of the component. What was refused for want of a token is loaded again once there is one.
 */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, options: LoadOptions = {}) {
  const data = shallowRef<T>()
  const error = shallowRef<unknown>()
  const loading = ref(false)
  let current: AbortController | undefined
  let over = false

  async function reload() {
    // Whoever throttles may call when the component is gone.
    if (over) return
    current?.abort()
    const mine = new AbortController()
    current = mine
    loading.value = true
    if (options.keep === false) data.value = undefined
    try {
      const loaded = await load(mine.signal)
      if (mine !== current) return
      data.value = loaded
      error.value = undefined
    } catch (thrown) {
      if (mine !== current || isAbort(thrown)) return
      error.value = thrown
    } finally {
      if (mine === current) loading.value = false
    }
  }

  /** Ends the loading. What was loaded before stays. */
  function cancel() {
    current?.abort()
    current = undefined
    loading.value = false
  }

  const session = useSession()
  const isRefused = () => error.value instanceof ApiError && error.value.status === 401
  watch(
    () => session.required,
    (required) => {
      if (!required && isRefused()) void reload()
    },
  )
  if (options.watch) watch(options.watch, reload)
  if (options.immediate !== false) void reload()
  onScopeDispose(() => {
    over = true
    cancel()
  })
  return { data, error, loading, reload, cancel }
}
