import { expect, test } from 'vitest'

import { enclosingFolder, folderOf, folderRow, KeyRows, rowsOf, type KeyRow } from './keyRows'

const key = (name: string, expiresAt = Infinity): KeyRow => ({
  ...folderRow(name),
  folder: false,
  expiresAt,
})
const names = (rows: KeyRows) => Array.from({ length: rows.length }, (_, at) => rows.at(at)?.name)

function rowsWith(...list: string[]): KeyRows {
  const rows = new KeyRows()
  rows.append(list.map((name) => key(name)))
  return rows
}

test('keys and folders of a page are in one order', () => {
  const page = {
    keys: ['a', 'a0', 'z'].map((name) => ({
      key: name,
      version: '1',
      size: 3,
      content_type: null,
      expires_at: name === 'z' ? '2026-01-02T03:04:05Z' : null,
    })),
    common_prefixes: ['a/', 'y/'],
    cursor: null,
  }
  const rows = rowsOf(page)
  expect(rows.map(({ name }) => name)).toEqual(['a', 'a/', 'a0', 'y/', 'z'])
  expect(rows.map(({ folder }) => folder)).toEqual([false, true, false, true, false])
  expect(rows.at(-1)?.expiresAt).toBe(Date.UTC(2026, 0, 2, 3, 4, 5))
  expect(rows[0]).toMatchObject({ size: 3, contentType: '', expiresAt: Infinity })
})

test('a row is inserted, replaced and removed in its place', () => {
  const rows = rowsWith('a', 'c')
  rows.set('b', key('b'))
  rows.set('b', { ...key('b'), size: 7 })
  expect(names(rows)).toEqual(['a', 'b', 'c'])
  expect(rows.at(1)?.size).toBe(7)
  rows.set('a', undefined)
  rows.set('nothing', undefined)
  expect(names(rows)).toEqual(['b', 'c'])
  expect([rows.indexOf('c'), rows.indexOf('bb'), rows.position('bb')]).toEqual([1, -1, 1])
})

test.each([
  [{}, ['new']],
  [{ after: 'b' }, ['a', 'b', 'new']],
  [{ after: 'bb', through: 'd' }, ['a', 'b', 'new', 'e']],
  [{ through: 'c' }, ['new', 'd', 'e']],
  [{ after: 'z', through: 'zz' }, ['a', 'b', 'c', 'd', 'e', 'new']],
])('the part %j is replaced', (range, expected) => {
  const rows = rowsWith('a', 'b', 'c', 'd', 'e')
  rows.replace(range, [key('new')])
  expect(names(rows)).toEqual(expected)
})

test('what has ended is removed, and what has not stays', () => {
  const rows = new KeyRows()
  rows.append([key('a', 100), key('b'), key('c', 200), key('d', 300)])
  expect(rows.expire(99)).toBe(false)
  expect(rows.expire(200)).toBe(true)
  expect(names(rows)).toEqual(['b', 'd'])
  rows.set('e', key('e', 250))
  expect(rows.expire(250)).toBe(true)
  expect(rows.expire(299)).toBe(false)
  expect(rows.expire(300)).toBe(true)
  expect(names(rows)).toEqual(['b'])
})

test('the folders of keys', () => {
  expect(['a', 'a/b', 'a//', 'a/b/c'].map(folderOf)).toEqual(['', 'a/', 'a//', 'a/b/'])
  expect(['a', 'a/', 'a/b', 'a//', 'a/b/'].map(enclosingFolder)).toEqual(['', '', 'a/', 'a/', 'a/'])
})
