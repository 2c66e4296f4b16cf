/** A part of a file: whole lines. */
export interface Chunk {
  bytes: Uint8Array<ArrayBuffer>
  /** How many lines it has. */
  lines: number
  /** Where in the file the next one begins. */
  end: number
}

/** A line is longer than the service takes. */
export class LineTooLong extends Error {
  constructor(
    readonly limit: number,
    /** How long it is at least. */
    readonly actual: number,
  ) {
    super(`A line has ${actual} bytes or more, the limit is ${limit}.`)
  }
}

const LINE_FEED = 0x0a

/**
 * The lines of a file from an offset on, about `size` bytes, or one line if that is longer. Only they are in memory.
 * Throws `LineTooLong` for one of more than `maxLine` bytes.
 */
export async function readChunk(
  file: Blob,
  offset: number,
  { size, maxLine }: { size: number; maxLine: number },
): Promise<Chunk> {
  for (let length = size; ; length *= 2) {
    const bytes = new Uint8Array(await file.slice(offset, offset + length).arrayBuffer())
    const isLast = offset + bytes.length >= file.size
    const end = isLast ? bytes.length : bytes.lastIndexOf(LINE_FEED) + 1
    if (end > 0) {
      const whole = bytes.subarray(0, end)
      return { bytes: whole, lines: countLines(whole), end: offset + end }
    }
    if (isLast || bytes.length > maxLine) throw new LineTooLong(maxLine, bytes.length)
  }
}

/** How many lines these are; the last needs no line break. */
export function countLines(bytes: Uint8Array): number {
  const breaks = countBreaks(bytes)
  return bytes.length > 0 && bytes.at(-1) !== LINE_FEED ? breaks + 1 : breaks
}

/** How many line breaks there are. */
export function countBreaks(bytes: Uint8Array): number {
  let count = 0
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) count++
  return count
}

/** Where a line begins, from 1; the end if there is none. */
export function lineStart(bytes: Uint8Array, line: number): number {
  let start = 0
  for (let number = 1; number < line; number++) {
    const at = bytes.indexOf(LINE_FEED, start)
    if (at < 0) return bytes.length
    start = at + 1
  }
  return start
}

/** Where the line that begins at `offset` ends, with its line break. */
export async function lineEnd(file: Blob, offset: number, size: number): Promise<number> {
  for (let at = offset; at < file.size; at += size) {
    const bytes = new Uint8Array(await file.slice(at, at + size).arrayBuffer())
    const found = bytes.indexOf(LINE_FEED)
    if (found >= 0) return at + found + 1
  }
  return file.size
}
