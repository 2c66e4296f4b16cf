import { defaultRangeExtractor, useVirtualizer } from '@tanstack/vue-virtual'
import { useEventListener } from '@vueuse/core'
import { computed, watch, type ShallowRef } from 'vue'

import type { KeyList } from '@/keys/keyList'

/** All rows are equally high, in pixels. See `MAX_ROWS`. */
const ROW_HEIGHT = 32
const OVERSCAN = 12

/**
 * The rows of a list that have to be in the document: those in view, those beside them, and the one at `kept`.
 * While rows come and go, what is in view stays where it is.
 */
export function useVirtualRows(
  scroller: Readonly<ShallowRef<HTMLElement | null>>,
  list: ShallowRef<KeyList | undefined>,
  kept: () => number,
) {
  const virtualizer = useVirtualizer(
    computed(() => {
      const [count, extra] = [list.value?.rows.length ?? 0, kept()]
      return {
        count,
        getScrollElement: () => scroller.value,
        estimateSize: () => ROW_HEIGHT,
        overscan: OVERSCAN,
        rangeExtractor: (range: Parameters<typeof defaultRangeExtractor>[0]) => {
          const indexes = defaultRangeExtractor(range)
          if (extra >= 0 && extra < count && !indexes.includes(extra)) indexes.push(extra)
          return indexes.sort((a, b) => a - b)
        },
      }
    }),
  )

  const items = computed(() =>
    virtualizer.value.getVirtualItems().flatMap(({ index, start }) => {
      const row = list.value?.rows.at(index)
      return row ? [{ index, start, row, slot: slotOf(index) }] : []
    }),
  )

  /** What a row is drawn in: those that leave the view are used again, as making elements takes most of the time. */
  function slotOf(index: number): string {
    const { range, scrollRect } = virtualizer.value
    const slots = Math.ceil((scrollRect?.height ?? 0) / ROW_HEIGHT) + 2 + 2 * OVERSCAN
    const beside =
      !range || index < range.startIndex - OVERSCAN || index > range.endIndex + OVERSCAN
    return beside ? 'kept' : String(index % slots)
  }
  /** The first and the last row in view. */
  const view = computed(() => {
    const { startIndex = 0, endIndex = 0 } = virtualizer.value.range ?? {}
    return { first: startIndex, last: endIndex }
  })
  const height = computed(() => virtualizer.value.getTotalSize())

  let anchor = { list: list.value, index: 0, name: '' }
  function dropAnchor() {
    const index = Math.floor((scroller.value?.scrollTop ?? 0) / ROW_HEIGHT)
    anchor = { list: list.value, index, name: list.value?.rows.at(index)?.name ?? '' }
  }
  useEventListener(scroller, 'scroll', dropAnchor, { passive: true })
  watch(
    list,
    (list) => {
      const element = scroller.value
      if (!element || !list) return
      if (list.query !== anchor.list?.query) element.scrollTop = 0
      // At the beginning one sees what is new there.
      else if (element.scrollTop >= ROW_HEIGHT)
        element.scrollTop += (list.rows.position(anchor.name) - anchor.index) * ROW_HEIGHT
      dropAnchor()
    },
    { flush: 'post' },
  )

  function scrollTo(index: number) {
    virtualizer.value.scrollToIndex(index, { align: 'auto' })
  }

  return { items, view, height, scrollTo }
}
