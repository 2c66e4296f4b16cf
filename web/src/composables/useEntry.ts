import { useThrottleFn } from '@vueuse/core'
import { computed, ref, shallowRef, watch, type Ref } from 'vue'

import { readEntry, readFacts, type Bytes, type Entry, type Facts, type Stamp } from '@/api/entry'
import { ApiError } from '@/api/errors'
import { serverNow } from '@/api/serverClock'
import { onChangeGap, onKeyChange } from '@/stores/changes'
import { useLoad } from './useLoad'

/** Larger values are loaded when they are asked for. */
const SMALL_BYTES = 256 * 1024
/** A key that changes all the time is read this often. */
const REREAD_MS = 500

export type Gone = 'missing' | 'deleted' | 'expired'

/** One key as it is now: its facts first, its value if that is small, and what happens to it later. */
export function useEntry(key: string, mayRead: Readonly<Ref<boolean>>) {
  const facts = shallowRef<Facts>()
  const bytes = shallowRef<Bytes>()
  const gone = ref<Gone>()
  /** How often it was changed by someone else since it was opened. */
  const changes = ref(0)
  const received = ref(0)

  /** What we know stays shown, so that the person sees what is gone. */
  function missing(error: unknown) {
    if (!(error instanceof ApiError && error.status === 404)) throw error
    const { expiresAt } = facts.value ?? {}
    if (!facts.value) gone.value = 'missing'
    else gone.value = expiresAt !== undefined && expiresAt <= serverNow() ? 'expired' : 'deleted'
  }

  const value = useLoad(
    async (signal) => {
      received.value = 0
      const progress = (count: number) => (received.value = count)
      try {
        const entry = await readEntry(key, { signal, progress })
        gone.value = undefined
        facts.value = entry
        bytes.value = entry.bytes
      } catch (error) {
        missing(error)
      }
    },
    { immediate: false },
  )

  const head = useLoad(
    async (signal) => {
      try {
        const found = await readFacts(key, { signal, known: facts.value?.version })
        gone.value = undefined
        // It may have been written by ourselves since it was asked for.
        if (!found || found.version === facts.value?.version) return
        const changed = facts.value !== undefined
        if (isSmall(found)) {
          await value.reload()
        } else {
          facts.value = found
          bytes.value = undefined
        }
        if (changed) changes.value += 1
      } catch (error) {
        missing(error)
      }
    },
    { immediate: mayRead.value },
  )

  // Somebody else may have signed in.
  watch(mayRead, (may) => {
    if (may) void head.reload()
  })

  const reread = useThrottleFn(() => void head.reload(), REREAD_MS, true)
  onChangeGap(() => mayRead.value && void reread())
  onKeyChange(({ event, key: changed, version }) => {
    if (changed !== key || !mayRead.value) return
    if (event === 'put') {
      if (version !== facts.value?.version) void reread()
      // Changes may be told late: what is shown may be newer.
    } else if (facts.value && BigInt(version) >= BigInt(facts.value.version)) {
      gone.value = event === 'expire' ? 'expired' : 'deleted'
    }
  })

  /** Takes over what we wrote, without asking for it. What was asked for before may be answered with what was there. */
  function wrote(written: Stamp | Entry) {
    head.cancel()
    gone.value = undefined
    if ('bytes' in written) {
      value.cancel()
      facts.value = written
      bytes.value = written.bytes
    } else if (facts.value) {
      facts.value = { ...facts.value, ...written }
      if (value.loading.value) void value.reload()
    }
  }

  return {
    facts,
    bytes,
    gone,
    changes,
    received,
    error: computed(() => head.error.value ?? value.error.value),
    loading: head.loading,
    loadingValue: value.loading,
    reload: head.reload,
    loadValue: value.reload,
    cancel: value.cancel,
    wrote,
  }
}

function isSmall(facts: Facts): boolean {
  return facts.size !== undefined && facts.size <= SMALL_BYTES
}
