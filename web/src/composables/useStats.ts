import { usePolling } from './usePolling'
import { api, data } from '@/api/client'

const POLL_MS = 5000

/** How many keys there are. */
export function useStats() {
  return usePolling((signal) => data(api.GET('/stats', { signal })), POLL_MS)
}
