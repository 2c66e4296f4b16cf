import { computed } from 'vue'

import { useServerNow } from './useServerNow'
import { useSession } from '@/stores/session'

const MINUTE_MS = 60_000
const WARN_MS = 5 * MINUTE_MS

/** How long the token is still valid. */
export function useTokenExpiry() {
  const session = useSession()
  const now = useServerNow()

  const expiresAt = computed(() => session.identity?.expires_at ?? undefined)
  const leftMs = computed(() =>
    expiresAt.value === undefined ? Infinity : Date.parse(expiresAt.value) - now.value,
  )
  /** Whole minutes, rounded up; 0 once it has ended. */
  const minutes = computed(() => Math.max(0, Math.ceil(leftMs.value / MINUTE_MS)))
  const soon = computed(() => leftMs.value <= WARN_MS)

  return { expiresAt, minutes, soon }
}
