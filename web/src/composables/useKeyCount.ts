import { useThrottleFn } from '@vueuse/core'

import { countKeys } from '@/api/keys'
import { onChangeGap, onKeyChange } from '@/stores/changes'

import { useLoad } from './useLoad'

/** The service counts so far and lets us ask on; we do not ask for ever. */
const MAX_REQUESTS = 50
/** Counting again waits for some times as long as counting took, within these bounds. */
const PAUSE = { factor: 5, minMs: 2000, maxMs: 10_000 }

/** How many keys begin so; counted again, now and then, while they change. */
export function useKeyCount(prefix: () => string) {
  let tookMs = 0
  const { data: count, reload } = useLoad(
    async (signal) => {
      const [counted, started] = [prefix(), performance.now()]
      const found = await countKeys(counted, signal, MAX_REQUESTS)
      tookMs = performance.now() - started
      return { prefix: counted, ...found }
    },
    { watch: prefix },
  )
  const pause = () => Math.min(Math.max(PAUSE.minMs, tookMs * PAUSE.factor), PAUSE.maxMs)
  const recount = useThrottleFn(reload, pause, true)
  onChangeGap(() => void recount())
  onKeyChange(({ key }) => {
    if (key.startsWith(prefix())) void recount()
  })
  return { count, reload }
}
