import { onScopeDispose, ref, shallowRef } from 'vue'

import {
  putEntry,
  readEntry,
  readFacts,
  type Bytes,
  type Entry,
  type Facts,
  type Precondition,
  type Put,
} from '@/api/entry'
import { ApiError } from '@/api/errors'
import { newIdempotencyKey } from '@/api/idempotency'
import { publishChange } from '@/stores/changes'
import { useAction } from './useAction'

/** Of larger values a conflict shows no difference. */
export const DIFF_BYTES = 1024 * 1024

/** What the key has instead of what we took for granted. */
export interface Theirs {
  /** What the key has to be for ours to replace it: `absent` if it was deleted. */
  precondition: Precondition
  /** Not there if it was deleted, or if we may not read. */
  facts?: Facts
  /** Not there if it is too large, either. */
  bytes?: Bytes
}

/** Stores an entry, once, however often it is tried; tells a conflict apart from other failures. */
export function useSave() {
  const sent = ref(0)
  const conflict = shallowRef<Theirs>()
  let stored: Entry | undefined
  let current: AbortController | undefined
  // One until an answer says what became of the write. The service tells other contents with it apart by itself.
  let idempotencyKey = newIdempotencyKey()

  const { run, error, running } = useAction(async (put: Put) => {
    sent.value = 0
    stored = undefined
    const { signal } = (current = new AbortController())
    try {
      stored = await putEntry(put, {
        idempotencyKey,
        signal,
        progress: (count) => (sent.value = count),
      })
      conflict.value = undefined
      publishChange({ event: 'put', key: put.key, version: stored.version })
    } catch (thrown) {
      if (isUndecided(thrown)) throw thrown
      idempotencyKey = newIdempotencyKey()
      if (!isConflict(thrown)) throw thrown
      conflict.value = await readTheirs(put.key, thrown, signal)
    }
    idempotencyKey = newIdempotencyKey()
  })

  /** What was stored, if it was. */
  async function save(put: Put): Promise<Entry | undefined> {
    return (await run(put)) ? stored : undefined
  }

  const cancel = () => current?.abort()
  // Who gives up the form does not want what is on its way.
  onScopeDispose(cancel)

  return { save, cancel, sent, conflict, error, running }
}

/** Whether a retry may find that the write is done already. */
function isUndecided(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true
  return error.status >= 500 || error.status === 408 || error.status === 429
}

function isConflict(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.status === 412 || error.status === 409)
}

async function readTheirs(key: string, refusal: ApiError, signal: AbortSignal): Promise<Theirs> {
  try {
    const facts = await readFacts(key, { signal })
    if (facts?.size !== undefined && facts.size <= DIFF_BYTES) {
      const entry = await readEntry(key, { signal })
      return { precondition: { version: entry.version }, facts: entry, bytes: entry.bytes }
    }
    return { precondition: facts ? { version: facts.version } : 'any', facts }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    if (error.status === 404) return { precondition: 'absent' }
    if (error.status !== 403) throw error
    const version = refusal.problem?.current_version
    return { precondition: version ? { version } : 'any' }
  }
}
