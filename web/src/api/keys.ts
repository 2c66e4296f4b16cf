import { api, data } from './client'
import type { components } from './schema'

type CountResponse = components['schemas']['CountResponse']
type KeysResponse = components['schemas']['KeysResponse']

/** How many keys begin with this. */
export async function countKeys(prefix: string, signal: AbortSignal): Promise<number> {
  let count = 0
  let cursor: string | undefined
  do {
    const query = { prefix, count: true, cursor }
    const page = (await data(api.GET('/keys', { params: { query }, signal }))) as CountResponse
    count += page.count
    cursor = page.cursor ?? undefined
  } while (cursor !== undefined)
  return count
}

/** The first few keys that begin with this. */
export async function firstKeys(
  prefix: string,
  limit: number,
  signal: AbortSignal,
): Promise<string[]> {
  const query = { prefix, limit }
  const page = (await data(api.GET('/keys', { params: { query }, signal }))) as KeysResponse
  return page.keys.map(({ key }) => key)
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
