import { expect, test } from 'vitest'

import { byteLength, decode, encode } from './text'

test.each(['', 'hello', '\uFEFFwith a byte order mark', 'é😀\0\r\n'])(
  '%j comes out as it went in',
  (text) => {
    expect(decode(encode(text))).toBe(text)
  },
)

test.each([[[0xff]], [[0xc3]], [[0xed, 0xa0, 0x80]]])('%j is not text', (bytes) => {
  expect(decode(new Uint8Array(bytes))).toBeUndefined()
})

test('the length is that of UTF-8', () => {
  expect(byteLength('é😀')).toBe(6)
})
