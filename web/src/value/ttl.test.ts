import { expect, test } from 'vitest'

import { parseTtl, ttlUntil } from './ttl'

test.each([
  ['90', 90_000],
  ['1h30m', 5_400_000],
  ['1h 30min', 5_400_000],
  ['250ms', 250],
  ['2w', 1_209_600_000],
  ['0', undefined],
  ['0s', undefined],
  ['', undefined],
  ['-1', undefined],
  ['1.5h', undefined],
  ['soon', undefined],
  ['101w 5300w', undefined],
])('%j is %s', (text, expected) => {
  expect(parseTtl(text)).toBe(expected)
})

test('what is left is at least a millisecond', () => {
  expect(ttlUntil(undefined, 1000)).toBe('none')
  expect(ttlUntil(2500, 1000)).toBe('1500ms')
  expect(ttlUntil(1000, 1000)).toBe('1ms')
})
