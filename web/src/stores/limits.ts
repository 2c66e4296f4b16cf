import { defineStore } from 'pinia'
import { shallowRef } from 'vue'

import { api, data } from '@/api/client'
import type { components } from '@/api/schema'

export type Limits = components['schemas']['Limits']

/** The limits of the service, asked for once. Until they are known nothing is refused on this side. */
export const useLimits = defineStore('limits', () => {
  const limits = shallowRef<Limits>()

  async function load() {
    return (limits.value ??= await data(api.GET('/limits')))
  }

  return { limits, load }
})
