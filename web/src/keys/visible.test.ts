import { expect, test } from 'vitest'

import { visibleParts } from './visible'

const shown = (text: string) =>
  visibleParts(text)
    .map((part) => (part.symbol ? `[${part.text}]` : part.text))
    .join('')

test.each([
  ['users/42', 'users/42'],
  ['a b', 'a b'],
  ['a  b', 'a[␣␣]b'],
  [' a ', '[␣]a[␣]'],
  ['a\nb\tc\r', 'a[\\n]b[\\t]c[\\r]'],
  ['\u0000\u001b\u007f', '[\\u{0}][\\u{1B}][\\u{7F}]'],
  ['a\u00a0b', 'a[\\u{A0}]b'],
  ['a\u200bb\u202eb', 'a[\\u{200B}]b[\\u{202E}]b'],
  ['a\u200db', 'a[\\u{200D}]b'],
  ['👨‍👩‍👧 ❤️‍🔥 👩🏽‍🚀', '👨‍👩‍👧 ❤️‍🔥 👩🏽‍🚀'],
  ['', ''],
])('%j is shown as %j', (text, expected) => {
  expect(shown(text)).toBe(expected)
})
