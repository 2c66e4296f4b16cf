import { useDocumentVisibility, useTimeoutFn } from '@vueuse/core'
import {
  computed,
  onScopeDispose,
  ref,
  shallowRef,
  toValue,
  watch,
  type MaybeRefOrGetter,
} from 'vue'

import { readFeed, type FeedChange } from '@/api/changeFeed'
import { ApiError } from '@/api/errors'
import { pause } from '@/api/pause'
import { publishChange, publishGap } from '@/stores/changes'
import { useSession } from '@/stores/session'

export type FeedState =
  | { name: 'off' }
  | { name: 'connecting' }
  | { name: 'live' }
  /** Not connected: the next attempt is made at this time, or when the network or the person comes back. */
  | { name: 'reconnecting'; attempt: number; at: number }
  /** The service does not tell us, and asking again is of no use. */
  | { name: 'refused'; error: ApiError }

interface ChangesOptions {
  /** Whether to listen at all. @default true */
  enabled?: MaybeRefOrGetter<boolean>
  /** Hears of each change, besides everything that `onKeyChange` serves. */
  onChange?: (change: FeedChange) => void
}

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 30_000
/** A browser has six connections to a service: tabs that nobody looks at must not keep them from the others. */
const HIDDEN_MS = 20_000

/**
 * Follows the changes of a prefix and publishes them. It goes on where it was after anything that breaks the connection,
 * so that no change is missed; if the service no longer knows them, `missedAt` says when that was.
 */
export function useChanges(prefix: MaybeRefOrGetter<string>, options: ChangesOptions = {}) {
  const session = useSession()
  const state = shallowRef<FeedState>({ name: 'off' })
  const missedAt = ref<number>()
  let position: string | undefined
  let current: AbortController | undefined

  async function follow(prefix: string, signal: AbortSignal) {
    let attempt = 0
    state.value = { name: 'connecting' }
    while (!signal.aborted) {
      let asked = 0
      try {
        for await (const told of readFeed(prefix, position, signal)) {
          if (signal.aborted) return
          attempt = 0
          if (state.value.name !== 'live') state.value = { name: 'live' }
          position = told.position ?? position
          if (!told.change) continue
          options.onChange?.(told.change)
          publishChange(told.change)
        }
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof ApiError) {
          if (error.status === 410 && position !== undefined) {
            position = undefined
            missedAt.value = Date.now()
            publishGap()
            continue
          }
          if (isFinal(error)) {
            state.value = { name: 'refused', error }
            return
          }
          asked = (error.retryAfter ?? 0) * 1000
        }
      }
      const backoff = FIRST_PAUSE_MS * 2 ** attempt * (0.5 + Math.random() / 2)
      const wait = Math.min(Math.max(asked, backoff), LONGEST_PAUSE_MS)
      attempt += 1
      state.value = { name: 'reconnecting', attempt, at: Date.now() + wait }
      await pause(wait, signal)
    }
  }

  function stop() {
    current?.abort()
    current = undefined
    state.value = { name: 'off' }
  }

  /** Connects now, whatever it waits for. */
  function connect() {
    stop()
    if (!enabled.value) return
    current = new AbortController()
    void follow(toValue(prefix), current.signal)
  }

  const enabled = computed(() => toValue(options.enabled ?? true))
  watch([() => toValue(prefix), enabled, () => session.self], connect, { immediate: true })

  const visibility = useDocumentVisibility()
  const leave = useTimeoutFn(stop, HIDDEN_MS, { immediate: false })
  watch(visibility, (visibility) => {
    if (visibility === 'hidden') return leave.start()
    leave.stop()
    if (!current) connect()
  })
  onScopeDispose(stop)
  return { state, missedAt, connect }
}

/** Whether the answer will be the same the next time. */
function isFinal({ status }: ApiError): boolean {
  return status === 501 || (status < 500 && status !== 408 && status !== 429)
}
