import { ref } from 'vue'

/** How far ahead of this machine's clock the service's is, in milliseconds: what expires does so by the service's. */
export const serverClockOffset = ref(0)

/** `Date` has whole seconds, and the answer was on its way: differences below this are none. */
const PRECISION_MS = 2000

/** The service's time, in milliseconds since 1970. */
export function serverNow(): number {
  return Date.now() + serverClockOffset.value
}

/** Compares the clocks by an answer. */
export function noteServerDate(response: Response) {
  const date = Date.parse(response.headers.get('Date') ?? '')
  if (Number.isNaN(date)) return
  const offset = date + 500 - Date.now()
  if (Math.abs(offset - serverClockOffset.value) >= PRECISION_MS) serverClockOffset.value = offset
}
