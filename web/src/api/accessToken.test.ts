import { expect, test } from 'vitest'

import { parseToken } from './accessToken'

const secret = 'aB3-_'.repeat(8)

test('white space around a token is not a part of it', () => {
  expect(parseToken(` \t\nkv_Id7_${secret}\r\n`)).toBe(`kv_Id7_${secret}`)
  expect(parseToken(`kv_a_${'x'.repeat(128)}`)).toBeDefined()
})

test.each([
  '',
  'kv_',
  `kv__${secret}`,
  `kv_a_${'x'.repeat(31)}`,
  `kv_a_${'x'.repeat(129)}`,
  `kv_a-b_${secret}`,
  `${'a'}kv_a_${secret}`,
  `kv_a_${secret} ${secret}`,
  `Bearer kv_a_${secret}`,
])('%j is no token', (text) => {
  expect(parseToken(text)).toBeUndefined()
})
