import { computed } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'

export type ListView = 'folders' | 'list'

const one = (value: unknown) => (typeof value === 'string' ? value : undefined)

/**
 * What the store page shows, as its address says it, so that it can be shared and the back button works:
 * `prefix` (what is listed), `view=list` (keys instead of folders), `key` (what is open), `new` (a new key is written).
 */
export function useStoreLocation() {
  const route = useRoute()
  const router = useRouter()

  const prefix = computed(() => one(route.query.prefix) ?? '')
  const view = computed<ListView>(() => (route.query.view === 'list' ? 'list' : 'folders'))
  const key = computed(() => one(route.query.key))
  const creating = computed(() => 'new' in route.query)

  function go(change: LocationQueryRaw, replace = false) {
    const query = { ...route.query, ...change }
    const location = { name: 'store', query }
    return replace ? router.replace(location) : router.push(location)
  }

  return {
    prefix,
    view,
    key,
    creating,
    /** Lists what begins with this. With `replace` no step for the back button, as while typing. */
    list: (prefix: string, replace = false) => go({ prefix: prefix || undefined }, replace),
    show: (view: ListView) => go({ view: view === 'list' ? 'list' : undefined }),
    open: (key: string) => go({ key, new: undefined }),
    /** Opens a key from elsewhere, beside the list of what begins like it. */
    lookUp: (text: string) => go({ prefix: text, key: text, new: undefined }),
    create: () => go({ key: undefined, new: null }),
    close: () => go({ key: undefined, new: undefined }),
  }
}
