import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'

import { api, authenticate, authorization, data } from '@/api/client'
import type { ApiError } from '@/api/errors'
import type { components } from '@/api/schema'

export type Verb = components['schemas']['Verb']
export type Scope = components['schemas']['Scope']
type Self = components['schemas']['SelfResponse']

const STORAGE_KEY = 'kverse.token'

/**
 * Who the service takes us for, and what that may do. The token is in memory; with the person's consent also in the
 * session storage of this tab, where it survives a reload. It is only ever sent as a header.
 */
export const useSession = defineStore('session', () => {
  // Not a part of the store: nothing but requests has to know it.
  let token = sessionStorage.getItem(STORAGE_KEY)
  /** What the service said last; it stays while a token that was valid is not any more. */
  const self = shallowRef<Self>()
  /** Why the service wants to know who we are; `undefined` while it does not ask. */
  const refusal = shallowRef<ApiError>()
  /** Whether the sign-in form is shown over the page. */
  const asking = ref(false)

  /** The token that the service knows us by; `null` where it asks for none. */
  const identity = computed(() => self.value?.token ?? null)
  const signedIn = computed(() => identity.value !== null)
  const required = computed(() => refusal.value !== undefined)

  function use(value: string | null) {
    token = value
    authenticate(value, (error) => {
      // It does not become valid again.
      if (error.code === 'invalid_token') sessionStorage.removeItem(STORAGE_KEY)
      refusal.value = error
      asking.value = self.value !== undefined
    })
  }

  function accept(answer: Self) {
    self.value = answer
    refusal.value = undefined
    asking.value = false
  }

  /** Asks the service what we may do. Throws what the service answers. */
  async function load() {
    use(token)
    accept(await data(api.GET('/tokens/self')))
  }

  /** Tries a token; one that is refused is not kept. Throws what the service answers. */
  async function signIn(value: string, remember: boolean) {
    const headers = { Authorization: authorization(value) }
    const answer = await data(api.GET('/tokens/self', { headers }))
    use(value)
    if (remember) sessionStorage.setItem(STORAGE_KEY, value)
    else sessionStorage.removeItem(STORAGE_KEY)
    accept(answer)
  }

  /** Forgets the token. What it showed is on the page, and in memory, until that is loaded anew: see `useSignOut`. */
  function signOut() {
    sessionStorage.removeItem(STORAGE_KEY)
    use(null)
  }

  /** Whether we may do this with a key, or with any key of a prefix that is as long. Unknown is no. */
  function may(verb: Verb, key = ''): boolean {
    return (self.value?.scopes ?? []).some(
      (scope) => scope.verbs.includes(verb) && key.startsWith(scope.prefix ?? ''),
    )
  }

  /** Whether there are keys, anywhere, that we may do this with. */
  function maySomewhere(verb: Verb): boolean {
    return (self.value?.scopes ?? []).some((scope) => scope.verbs.includes(verb))
  }

  /** The shortest prefix with which we may do all of this; `undefined` if there is none. */
  function reach(verbs: Verb[]): string | undefined {
    return (self.value?.scopes ?? [])
      .map((scope) => scope.prefix ?? '')
      .filter((prefix) => verbs.every((verb) => may(verb, prefix)))
      .sort((a, b) => a.length - b.length)[0]
  }

  /** The verbs of these of which one is needed, if we have none of them. */
  function lacking(needs: Verb[] = []): Verb[] {
    return needs.some(maySomewhere) ? [] : needs
  }

  return {
    self,
    refusal,
    asking,
    identity,
    signedIn,
    required,
    load,
    signIn,
    signOut,
    may,
    maySomewhere,
    reach,
    lacking,
  }
})
