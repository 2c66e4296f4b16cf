import { expect, test } from 'vitest'

import { fileNameOf } from './fileName'

test.each([
  ['images/logo', 'image/png', 'logo.png'],
  ['images/logo.svg', 'image/png', 'logo.svg'],
  ['notes/', 'text/plain; charset=utf-8', 'notes.txt'],
  ['a', 'application/x-thing', 'a'],
  ['..', 'text/plain', 'value.txt'],
  ['//', 'application/json', 'value.json'],
  ['a\\b:c*?"<>|\n', '', 'a_b_c_______'],
  ['😀'.repeat(200), '', '😀'.repeat(120)],
])('%j as %s is saved as %j', (key, type, name) => {
  expect(fileNameOf(key, type)).toBe(name)
})
