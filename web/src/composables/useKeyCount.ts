import { useThrottleFn } from '@vueuse/core'

import { api, data } from '@/api/client'
import type { components } from '@/api/schema'
import { onChangeGap, onKeyChange } from '@/stores/changes'

import { useLoad } from './useLoad'

type CountResponse = components['schemas']['CountResponse']

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
      let [keys, cursor] = [0, undefined as string | undefined]
      for (let request = 0; request < MAX_REQUESTS; request++) {
        const query = { prefix: counted || undefined, count: true, cursor }
        const answer = (await data(
          api.GET('/keys', { params: { query }, signal }),
        )) as CountResponse
        keys += answer.count
        cursor = answer.cursor ?? undefined
        if (cursor === undefined) break
      }
      tookMs = performance.now() - started
      return { prefix: counted, keys, more: cursor !== undefined }
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
