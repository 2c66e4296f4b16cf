import { usePolling } from './usePolling'
import { request } from '@/api/client'
import { ApiError } from '@/api/errors'
import type { components } from '@/api/schema'

type Readiness = components['schemas']['ReadyResponse']

const POLL_MS = 5000

/** The checks that say whether the service works. That it does not is an answer, not an error. */
export function useReadiness() {
  return usePolling<Readiness>(async (signal) => {
    const response = await request(`${location.origin}/readyz?verbose`, { signal }, fetch, [503])
    // A balancer without a server answers with 503, too.
    if (!response.headers.get('Content-Type')?.startsWith('application/json')) {
      throw await ApiError.from(response)
    }
    return await response.json()
  }, POLL_MS)
}
