import { defineStore } from 'pinia'
import { shallowRef } from 'vue'

import { api, data } from '@/api/client'
import type { components } from '@/api/schema'

export type Limits = components['schemas']['Limits']

/** The limits of the service. Until they are known nothing is refused on this side. */
export const useLimits = defineStore('limits', () => {
  const limits = shallowRef<Limits>()

  /** Asks for them, if nobody has yet. */
  async function load() {
    return limits.value ?? reload()
  }

  /** Asks for them again: a service that was started anew may have others. */
  async function reload(signal?: AbortSignal) {
    return (limits.value = await data(api.GET('/limits', { signal })))
  }

  return { limits, load, reload }
})
