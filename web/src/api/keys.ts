import { api, data } from './client'
import type { components, operations } from './schema'

type Query = NonNullable<operations['list_keys']['parameters']['query']>
type KeyCount = components['schemas']['CountResponse']
export type KeyPage = components['schemas']['KeysResponse']

const MAX_EMPTY_PAGES = 100

/** Reads a page of keys, and as long as it is empty but not the last, the next: there deleted keys were passed over. */
export async function fetchKeys(query: Query, signal?: AbortSignal): Promise<KeyPage> {
  let page = await fetchPage(query, signal)
  for (let empty = 0; empty < MAX_EMPTY_PAGES && isEmpty(page) && page.cursor !== null; empty++) {
    page = await fetchPage({ ...query, start_after: undefined, cursor: page.cursor }, signal)
  }
  return page
}

async function fetchPage(query: Query, signal?: AbortSignal): Promise<KeyPage> {
  return (await data(api.GET('/keys', { params: { query }, signal }))) as KeyPage
}

function isEmpty(page: KeyPage): boolean {
  return page.keys.length + page.common_prefixes.length === 0
}

/** How many keys begin with this; `more` if the service still had some after `maxRequests`. */
export async function countKeys(
  prefix: string,
  signal: AbortSignal,
  maxRequests = Infinity,
): Promise<{ keys: number; more: boolean }> {
  let keys = 0
  let cursor: string | undefined
  for (let request = 0; request < maxRequests; request++) {
    const query = { prefix: prefix || undefined, count: true, cursor }
    const counted = (await data(api.GET('/keys', { params: { query }, signal }))) as KeyCount
    keys += counted.count
    cursor = counted.cursor ?? undefined
    if (cursor === undefined) break
  }
  return { keys, more: cursor !== undefined }
}

/** Deletes all keys that begin with this, and tells after each answer how many they are until then. */
export async function* deleteKeys(prefix: string, signal: AbortSignal): AsyncGenerator<number> {
  let deleted = 0
  let cursor: string | undefined
  do {
    // The empty prefix is confirmed by a star: a script has it where a variable is not set.
    const query = { prefix, confirm: prefix || '*', cursor }
    const page = await data(api.DELETE('/keys', { params: { query }, signal }))
    deleted += page.deleted
    cursor = page.cursor ?? undefined
    yield deleted
  } while (cursor !== undefined)
}
