import { expect, test } from 'vitest'

import { compareBytes } from './byteOrder'

const CHARACTERS = [
  'a',
  'b',
  '/',
  ' ',
  'é',
  '\uD7FF',
  '\uE000',
  '\uFFFD',
  '\uFFFF',
  '👋',
  '\u{10FFFF}',
]

test('the order is that of the bytes in UTF-8', () => {
  const texts = ['', ...CHARACTERS]
  for (const first of CHARACTERS) for (const second of CHARACTERS) texts.push(first + second)
  const bytes = (text: string) => Buffer.from(text, 'utf8')
  for (const left of texts) {
    for (const right of texts) {
      const expected = Math.sign(Buffer.compare(bytes(left), bytes(right)))
      expect(Math.sign(compareBytes(left, right)), `${left} ${right}`).toBe(expected)
    }
  }
})
