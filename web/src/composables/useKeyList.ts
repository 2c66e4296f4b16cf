import { useDebounceFn, useEventListener } from '@vueuse/core'
import { computed, triggerRef, watch } from 'vue'

import type { KeyChange } from '@/api/changeFeed'
import { KeyList, type KeyQuery } from '@/keys/keyList'
import { onChangeGap, onKeyChange } from '@/stores/changes'
import { useLimits } from '@/stores/limits'

import { useAction } from './useAction'
import { useLoad } from './useLoad'
import { useServerNow } from './useServerNow'

/** Changes are taken over together: after this pause, but not later than that. */
const GATHER = { pauseMs: 100, maxWait: 500 }
/** So many rows are read again one by one; if more have changed, what is shown is read again as a whole. */
const MAX_REFRESHED = 12
/** More on a page would be late, if the service allows them. */
const MAX_PAGE_ENTRIES = 1000

/**
 * The keys of the store, page by page, and kept current: by the changes that are told on the page, and by the time.
 * `list` changes in place.
 */
export function useKeyList(query: () => KeyQuery) {
  const limits = useLimits()
  async function pageEntries() {
    await limits.load()
    return Math.min(limits.limits?.max_page_entries ?? MAX_PAGE_ENTRIES, MAX_PAGE_ENTRIES)
  }

  /** Whether a change was told of a part that was being loaded: the answer may be older. */
  let missed = false
  const load = useLoad(
    async (signal) => {
      missed = false
      const list = await KeyList.load(query(), pageEntries, signal)
      if (missed) list.outdate()
      return list
    },
    { watch: () => Object.values(query()).join('\n') },
  )
  const { data: list, error, loading, reload } = load
  const next = useAction(async () => {
    missed = false
    await change(async (list) => {
      await list.loadMore()
      if (missed) list.outdate()
    })
  })
  const { run: loadMore, error: moreError, running: loadingMore } = next

  /** The rows that are looked at. */
  let seen = { first: 0, last: 0 }
  const changed = new Set<string>()
  const takeOver = useAction(async () => {
    await change(async (list) => {
      const names = [...changed]
      changed.clear()
      if (names.length > MAX_REFRESHED) list.outdate()
      else await Promise.all(names.map((name) => list.refresh(name)))
      if (!list.isCurrent(seen.first, seen.last)) await list.reread(seen.first)
    })
  })
  const takeOverSoon = useDebounceFn(catchUp, GATHER.pauseMs, { maxWait: GATHER.maxWait })

  async function catchUp() {
    const done = await takeOver.run()
    // What could not be read is read when it is looked at again.
    if (!done && takeOver.error.value) list.value?.outdate()
    const current = list.value?.isCurrent(seen.first, seen.last) ?? true
    if (done && (changed.size > 0 || !current)) void takeOverSoon()
  }

  watch(
    () => list.value,
    () => {
      moreError.value = undefined
      changed.clear()
    },
    { flush: 'sync' },
  )

  /** Does something to the list, which may be another one when it is done. */
  async function change(act: (list: KeyList) => Promise<void>) {
    const current = list.value
    if (!current) return
    await act(current)
    if (current === list.value) triggerRef(list)
  }

  function apply({ key }: KeyChange) {
    if (loading.value || loadingMore.value) missed = true
    const name = list.value?.rowOf(key)
    if (name === undefined) return
    // One more than are read one by one says enough.
    if (changed.size <= MAX_REFRESHED) changed.add(name)
    void takeOverSoon()
  }
  onKeyChange(apply)
  onChangeGap(() => {
    list.value?.outdate()
    void takeOverSoon()
  })

  /** Tells which rows are looked at: what is not current of them is read again. */
  function look(first: number, last: number) {
    seen = { first, last }
    if (list.value && !list.value.isCurrent(first, last)) void takeOverSoon()
  }

  const now = useServerNow()
  watch(now, (now) => {
    if (list.value?.rows.expire(now)) triggerRef(list)
  })
  useEventListener(window, 'online', () => {
    if (error.value) void reload()
    else if (moreError.value) void loadMore()
  })

  const more = computed(() => list.value?.more ?? false)
  return { list, error, loading, reload, more, loadMore, loadingMore, moreError, apply, look }
}
