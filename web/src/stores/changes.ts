import { createEventHook } from '@vueuse/core'

import type { KeyChange } from '@/api/changeFeed'

const changes = createEventHook<KeyChange>()
const gaps = createEventHook()

/** Tells everything on the page that shows keys. A change may be told more than once. */
export function publishChange(change: KeyChange): void {
  void changes.trigger(change)
}

/** Hears of every change, until the component or scope that asks is gone. */
export function onKeyChange(handler: (change: KeyChange) => void): void {
  changes.on(handler)
}

/** Tells that there were changes which nobody can name any more: what is shown may be out of date. */
export function publishGap(): void {
  void gaps.trigger()
}

/** Hears that changes were missed, to load again what is shown. */
export function onChangeGap(handler: () => void): void {
  gaps.on(handler)
}
