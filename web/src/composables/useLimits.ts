import { useLoad } from './useLoad'
import { api, data } from '@/api/client'

/** The limits of the service. */
export function useLimits() {
  return useLoad((signal) => data(api.GET('/limits', { signal })))
}
