import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'

import { api, authenticate, data } from '@/api/client'
import { ApiError } from '@/api/errors'
import type { components } from '@/api/schema'

export type Verb = components['schemas']['Verb']
type Self = components['schemas']['SelfResponse']

const STORAGE_KEY = 'kverse.token'

/**
 * Who the service takes us for, and what that may do. The token is in memory; with the person's consent also in the
 * session storage of this tab, where it survives a reload. It is only ever sent as a header.
 */
export const useSession = defineStore('session', () => {
  const token = ref<string | null>(sessionStorage.getItem(STORAGE_KEY))
  const self = shallowRef<Self>()
  /** Why the service wants to know who we are; empty while it does not ask. */
  const refusal = shallowRef<ApiError>()

  const signedIn = computed(() => token.value !== null)
  /** Whether the service has to be told who we are before anything else. */
  const required = computed(() => refusal.value !== undefined)

  function use(value: string | null) {
    token.value = value
    authenticate(value, (error) => (refusal.value = error))
  }

  /** Asks the service what we may do. Throws what the service answers. */
  async function load() {
    use(token.value)
    self.value = await data(api.GET('/tokens/self'))
    refusal.value = undefined
  }

  /** Tries a token; one that is refused is not kept. Throws what the service answers. */
  async function signIn(value: string, remember: boolean) {
    const before = token.value
    use(value)
    try {
      self.value = await data(api.GET('/tokens/self'))
    } catch (error) {
      use(before)
      throw error
    }
    refusal.value = undefined
    if (remember) sessionStorage.setItem(STORAGE_KEY, value)
    else sessionStorage.removeItem(STORAGE_KEY)
  }

  function signOut() {
    sessionStorage.removeItem(STORAGE_KEY)
    self.value = undefined
    use(null)
  }

  /** Whether we may do this with a key, or with any key of a prefix that is as long. Unknown is no. */
  function may(verb: Verb, key = ''): boolean {
    return (self.value?.scopes ?? []).some(
      (scope) => scope.verbs.includes(verb) && key.startsWith(scope.prefix ?? ''),
    )
  }

  return { token, self, refusal, signedIn, required, load, signIn, signOut, may }
})
