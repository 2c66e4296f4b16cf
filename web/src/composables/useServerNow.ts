import { createSharedComposable, useIntervalFn, useNow } from '@vueuse/core'
import { computed } from 'vue'

import { serverClockOffset } from '@/api/serverClock'

/** The service's time in milliseconds, second by second: one clock for everything that counts down. */
export const useServerNow = createSharedComposable(() => {
  const now = useNow({ scheduler: (update) => useIntervalFn(update, 1000) })
  return computed(() => now.value.getTime() + serverClockOffset.value)
})
