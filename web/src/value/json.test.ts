import { expect, test } from 'vitest'

import { formatJson, isJsonType, jsonProblem } from './json'

test.each([
  ['{"a":}', 1, 6],
  ['{\n"a": 1,\n}', 3, 1],
  ['{\r\n"a": oops}', 2, 6],
  ['[1,\r2', 2, 2],
  ['', 1, 1],
  ['// a comment\n1', 1, 1],
])('%j is wrong at line %i, column %i', (text, line, column) => {
  expect(jsonProblem(text)).toMatchObject({ line, column, message: expect.stringMatching(/./) })
})

test.each(['1', '"a"', '{"a":[null]}', ' [] '])('%j is right', (text) => {
  expect(jsonProblem(text)).toBeUndefined()
})

test('formatting changes white space only', () => {
  expect(formatJson('{"n":12345678901234567890,"n":1e400,"t":"a b"}')).toBe(
    '{\n  "n": 12345678901234567890,\n  "n": 1e400,\n  "t": "a b"\n}',
  )
  expect(formatJson('[1,\r\n2]')).toBe('[\r\n  1,\r\n  2\r\n]')
})

test.each([
  ['application/json', true],
  ['application/json; charset=utf-8', true],
  ['application/problem+json', true],
  ['Application/JSON', true],
  ['application/jsonl', false],
  ['text/plain', false],
])('%s is JSON: %s', (type, expected) => {
  expect(isJsonType(type)).toBe(expected)
})

test('formatting large values takes time in proportion', () => {
  const items = Array.from({ length: 20_000 }, (_, id) => ({ id, name: `user ${id}` }))
  const started = performance.now()
  expect(JSON.parse(formatJson(JSON.stringify(items)))).toEqual(items)
  expect(performance.now() - started).toBeLessThan(5000)
})
