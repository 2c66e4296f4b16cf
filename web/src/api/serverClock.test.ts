import { afterEach, expect, test, vi } from 'vitest'

import { noteServerDate, serverClockOffset } from './serverClock'

const HERE = Date.UTC(2026, 0, 1, 12, 0, 0)
const answer = (date: string) => new Response(null, { headers: { Date: date } })

afterEach(() => {
  vi.useRealTimers()
  serverClockOffset.value = 0
})

test('a clock of the service that differs is noticed, the time of an answer is not', () => {
  vi.useFakeTimers({ now: HERE })
  noteServerDate(answer('Thu, 01 Jan 2026 12:00:01 GMT'))
  expect(serverClockOffset.value).toBe(0)
  noteServerDate(answer('Thu, 01 Jan 2026 12:05:00 GMT'))
  expect(serverClockOffset.value).toBe(300_500)
  noteServerDate(answer('Thu, 01 Jan 2026 12:05:01 GMT'))
  expect(serverClockOffset.value).toBe(300_500)
  noteServerDate(answer('Thu, 01 Jan 2026 12:00:00 GMT'))
  expect(serverClockOffset.value).toBe(500)
})

test('without a date nothing is known', () => {
  noteServerDate(new Response(null))
  noteServerDate(answer('yesterday'))
  expect(serverClockOffset.value).toBe(0)
})
