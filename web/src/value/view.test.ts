import { expect, test } from 'vitest'

import { hexRow } from './hex'
import { encode } from './text'
import { viewsOf } from './view'

test.each([
  ['text/plain', 'hello', ['text', 'hex']],
  ['text/plain', '{"a":1}', ['json', 'text', 'hex']],
  ['text/plain', '42', ['text', 'json', 'hex']],
  ['application/json', '42', ['json', 'text', 'hex']],
  ['application/json', '{oops', ['text', 'hex']],
  ['image/png', undefined, ['image', 'hex']],
  ['image/svg+xml', '<svg/>', ['image', 'text', 'hex']],
  ['application/octet-stream', undefined, ['hex']],
])('%s with %j is shown as %j', (type, text, views) => {
  expect(viewsOf(type, text)).toEqual(views)
})

test('a row of a dump has offset, bytes and characters', () => {
  expect(hexRow(encode('0123456789abcdef\n~é'), 16, 16)).toEqual({
    offset: '00000010',
    bytes: '0a 7e c3 a9',
    ascii: '.~..',
  })
})
