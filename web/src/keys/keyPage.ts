import { api, data } from '@/api/client'
import type { operations, components } from '@/api/schema'

type Query = NonNullable<operations['list_keys']['parameters']['query']>
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
