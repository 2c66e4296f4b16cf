import { createApp } from 'vue'
import { expect, test } from 'vitest'

import { makeI18n } from '@/i18n'

import { useTimeLeft } from './useTimeLeft'

function timeLeft(milliseconds: number): string {
  let text = ''
  const app = createApp({
    setup() {
      text = useTimeLeft()(milliseconds)
      return () => null
    },
  })
  app.use(makeI18n('en')).mount(document.createElement('div'))
  app.unmount()
  return text
}

test.each([
  [-5, '0s'],
  [1, '1s'],
  [59_000, '59s'],
  [61_000, '1m 1s'],
  [3_600_000, '1h 0m'],
  [90_061_000, '1d 1h'],
  [1_000 * 86_400_000, '1,000d 0h'],
])('%i ms are %s', (milliseconds, expected) => {
  expect(timeLeft(milliseconds)).toBe(expected)
})
