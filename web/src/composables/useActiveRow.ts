import { computed, shallowRef, watch, type ShallowRef } from 'vue'

import type { KeyList } from '@/keys/keyList'

/**
 * The row that the keyboard is at, by its name: it stays there while rows come and go, and moves to the next one when its
 * own is gone. In the list of an enclosing folder it is at the folder that one comes from.
 */
export function useActiveRow(list: ShallowRef<KeyList | undefined>) {
  const name = shallowRef<string>()
  const index = computed(() =>
    name.value === undefined ? -1 : (list.value?.rows.indexOf(name.value) ?? -1),
  )

  /** Goes to this row, or to the nearest there is. Answers which one it is; -1 in an empty list. */
  function moveTo(wanted: number): number {
    const rows = list.value?.rows
    if (!rows || rows.length === 0) return -1
    const at = Math.min(Math.max(wanted, 0), rows.length - 1)
    name.value = rows.at(at)?.name
    return at
  }

  let shown = list.value
  watch(list, (list) => {
    const before = shown
    shown = list
    if (!list) return
    const left = before?.query.prefix ?? ''
    const goesUp = left !== list.query.prefix && left.startsWith(list.query.prefix)
    if (goesUp) name.value = list.rowOf(left)
    if (name.value === undefined || index.value >= 0) return
    if (list === before) moveTo(list.rows.position(name.value))
    else name.value = undefined
  })

  return { name, index, moveTo }
}
