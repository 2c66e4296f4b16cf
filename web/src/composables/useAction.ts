import { ref, shallowRef } from 'vue'

import { isAbort } from '@/api/errors'

/** Does something on request, one at a time, and keeps what went wrong. `run` tells whether it was done. */
export function useAction<A extends unknown[]>(action: (...args: A) => Promise<unknown>) {
  const error = shallowRef<unknown>()
  const running = ref(false)

  async function run(...args: A): Promise<boolean> {
    if (running.value) return false
    running.value = true
    error.value = undefined
    try {
      await action(...args)
      return true
    } catch (thrown) {
      if (!isAbort(thrown)) error.value = thrown
      return false
    } finally {
      running.value = false
    }
  }

  return { run, error, running }
}
