import { computed, ref, shallowRef } from 'vue'

import { usePolling } from './usePolling'
import { api, data } from '@/api/client'
import { append, combine, type ServerHistory } from '@/status/history'

const POLL_MS = 5000
/** A server that has not answered for longer may be gone: behind a balancer, the answers are those of each in turn. */
const LIVE_MS = 30_000
const KEPT_MS = 15 * 60_000

/** What the servers did over the last minutes: each by itself, and those that were chosen together. */
export function useHistory() {
  const servers = shallowRef<ReadonlyMap<string, ServerHistory>>(new Map())
  /** The server to look at; empty for all. */
  const chosen = ref('')
  /** When one of them answered last. */
  const heardAt = ref(0)

  // Behind a balancer the next answer is that of another server, or again that of the same: whoever takes turns with other
  // requests of the page may never get to one of them.
  const { error, loading, loadedAt, reload } = usePolling(async (signal) => {
    const startedAt = Date.now()
    const isMissing = (one: ServerHistory) => isLive(one) && one.heardAt < startedAt
    let left = 2 * servers.value.size
    // There may be one that was never heard of.
    let spare = Math.random() < 0.5
    for (;;) {
      await ask(signal)
      left -= 1
      if (left > 0 && [...servers.value.values()].some(isMissing)) continue
      if (!spare) return
      spare = false
    }
  }, POLL_MS)

  async function ask(signal: AbortSignal) {
    const since = newest()
    const answer = await data(
      api.GET('/stats/history', { params: { query: since ? { since } : {} }, signal }),
    )
    const known = servers.value.get(answer.server)
    heardAt.value = Date.now()
    const kept = [...servers.value].filter(([, one]) => heardAt.value - one.heardAt < KEPT_MS)
    servers.value = new Map(kept).set(answer.server, {
      server: answer.server,
      intervalMs: answer.interval_ms,
      cache: answer.cache.mode,
      samples: since ? append(known?.samples ?? [], answer.samples) : answer.samples,
      complete: known?.complete === true || since === undefined,
      heardAt: heardAt.value,
    })
  }

  function isLive(one: ServerHistory): boolean {
    return heardAt.value - one.heardAt < LIVE_MS
  }

  /** Up to when everything is known that any of the servers has to tell; nothing while one has not told all. */
  function newest(): string | undefined {
    const live = [...servers.value.values()].filter(isLive)
    if (live.some(({ complete }) => !complete)) return undefined
    return live.map(({ samples }) => samples.at(-1)?.at ?? '').sort()[0] || undefined
  }

  const shown = computed(() => {
    const one = servers.value.get(chosen.value)
    return one ? [one] : [...servers.value.values()]
  })

  return {
    servers: computed(() =>
      [...servers.value.values()].map((one) => ({ ...one, live: isLive(one) })),
    ),
    chosen,
    points: computed(() => combine(shown.value, isLive)),
    /** What the cache of the servers does; more than one while they disagree. */
    cacheModes: computed(() => [...new Set(shown.value.filter(isLive).map(({ cache }) => cache))]),
    loaded: computed(() => servers.value.size > 0),
    error,
    loading,
    loadedAt,
    reload,
  }
}
