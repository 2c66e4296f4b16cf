import { expect, test } from 'vitest'

import { countLines, lineEnd, lineStart, LineTooLong, readChunk } from './chunks'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

async function chunksOf(content: string, size: number) {
  const file = new Blob([content])
  const chunks = []
  for (let offset = 0; offset < file.size;) {
    const chunk = await readChunk(file, offset, { size, maxLine: 100 })
    chunks.push([text(chunk.bytes), chunk.lines])
    offset = chunk.end
  }
  return chunks
}

test('a file is cut between lines', async () => {
  expect(await chunksOf('aa\nbb\ncc\n', 7)).toEqual([
    ['aa\nbb\n', 2],
    ['cc\n', 1],
  ])
  expect(await chunksOf('aaaaa\nbbbbb', 4)).toEqual([
    ['aaaaa\n', 1],
    ['bbbbb', 1],
  ])
  expect(await chunksOf('', 4)).toEqual([])
})

test('a line that is too long is not read as a whole', async () => {
  const file = new Blob(['x'.repeat(1000)])
  await expect(readChunk(file, 0, { size: 8, maxLine: 100 })).rejects.toThrow(LineTooLong)
})

test('lines are counted as the service counts them', () => {
  expect(countLines(bytes(''))).toBe(0)
  expect(countLines(bytes('a'))).toBe(1)
  expect(countLines(bytes('a\n\nb\n'))).toBe(3)
})

test('a line is found by its number, and its end', async () => {
  const content = bytes('a\nbb\nccc')
  expect([1, 2, 3, 4].map((line) => lineStart(content, line))).toEqual([0, 2, 5, 8])
  const file = new Blob([content])
  expect(await lineEnd(file, 2, 2)).toBe(5)
  expect(await lineEnd(file, 5, 2)).toBe(8)
})
