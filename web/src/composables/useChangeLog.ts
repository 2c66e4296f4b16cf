import { useThrottleFn } from '@vueuse/core'
import { computed, ref, shallowRef, toValue, type MaybeRefOrGetter } from 'vue'

import { useChanges } from './useChanges'
import type { FeedChange } from '@/api/changeFeed'

export interface LoggedChange extends FeedChange {
  /** When we heard of it. */
  at: number
}

export const MAX_CHANGES = 1000
/** Many changes at once are shown together. */
const SHOW_EVERY_MS = 250

/** The newest changes of a prefix. While paused they are only counted, and shown later. */
export function useChangeLog(prefix: MaybeRefOrGetter<string>) {
  const shown = shallowRef<LoggedChange[]>([])
  const paused = ref(false)
  const waitingCount = ref(0)
  let waiting: LoggedChange[] = []

  const feed = useChanges(prefix, {
    onChange(change) {
      waiting.push({ ...change, at: Date.now() })
      if (waiting.length > MAX_CHANGES) waiting.shift()
      waitingCount.value += 1
      void showSoon()
    },
  })
  const showSoon = useThrottleFn(() => paused.value || show(), SHOW_EVERY_MS, true)

  function show() {
    // The feed may tell of a change twice.
    const known = new Set(shown.value.map(({ position }) => position))
    const added = waiting.reverse().filter(({ position }) => {
      const isNew = !known.has(position)
      known.add(position)
      return isNew
    })
    shown.value = [...added, ...shown.value].slice(0, MAX_CHANGES)
    waiting = []
    waitingCount.value = 0
  }

  return {
    ...feed,
    /** Newest first. */
    changes: computed(() => shown.value.filter(({ key }) => key.startsWith(toValue(prefix)))),
    paused,
    /** How many were not shown yet. */
    waitingCount,
    pause: () => (paused.value = true),
    resume() {
      paused.value = false
      show()
    },
    clear() {
      show()
      shown.value = []
    },
  }
}
