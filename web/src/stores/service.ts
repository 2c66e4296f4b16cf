import { defineStore } from 'pinia'
import { shallowRef } from 'vue'

import { api, data } from '@/api/client'
import type { components } from '@/api/schema'

/** What the service says of itself, and where it leads. */
export const useService = defineStore('service', () => {
  const info = shallowRef<components['schemas']['InfoResponse']>()

  /** Asks until it was answered once. */
  async function load() {
    if (info.value) return
    try {
      info.value = await data(api.GET('/info'))
    } catch {
      // These are only links: whoever needs the service says that it does not answer.
    }
  }

  return { info, load }
})
