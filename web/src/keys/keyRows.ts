import type { KeyPage } from '@/api/keys'
import { compareBytes } from './byteOrder'

/** What folders end with. */
export const DELIMITER = '/'

/** The folder that a key, or the beginning of one, is in; empty if it is in none. */
export function folderOf(name: string): string {
  return name.slice(0, name.lastIndexOf(DELIMITER) + 1)
}

/** The folder around a folder, or around what is being searched in one. */
export function enclosingFolder(prefix: string): string {
  return folderOf(prefix.endsWith(DELIMITER) ? prefix.slice(0, -DELIMITER.length) : prefix)
}

/** A key or a folder of a list. There may be a million: no more is kept of each than is shown. */
export interface KeyRow {
  /** The key; of a folder, what its keys begin with. */
  readonly name: string
  readonly folder: boolean
  readonly size: number
  readonly contentType: string
  /** When it ends, in milliseconds since 1970; `Infinity` if it does not. */
  readonly expiresAt: number
}

/** A part of a list: what comes after one name, from the beginning by default, up to another or the end. */
export interface Range {
  after?: string | undefined
  through?: string | undefined
}

// JSON has a text of its own for each row; most rows have one of a few.
const contentTypes = new Map<string, string>()
const MAX_CONTENT_TYPES = 1000

function shared(contentType: string): string {
  const known = contentTypes.get(contentType)
  if (known !== undefined) return known
  if (contentTypes.size < MAX_CONTENT_TYPES) contentTypes.set(contentType, contentType)
  return contentType
}

export function folderRow(name: string): KeyRow {
  return { name, folder: true, size: 0, contentType: '', expiresAt: Infinity }
}

function keyRow(key: KeyPage['keys'][number]): KeyRow {
  return {
    name: key.key,
    folder: false,
    size: key.size,
    contentType: shared(key.content_type ?? ''),
    expiresAt: key.expires_at === null ? Infinity : Date.parse(key.expires_at),
  }
}

/** The keys and folders of a page, which the service answers apart, in one order. */
export function rowsOf(page: KeyPage): KeyRow[] {
  const rows = [...page.keys.map(keyRow), ...page.common_prefixes.map(folderRow)]
  return rows.sort((a, b) => compareBytes(a.name, b.name))
}

/** Rows in byte order. */
export class KeyRows {
  private readonly rows: KeyRow[] = []
  private nextExpiry = Infinity

  get length(): number {
    return this.rows.length
  }

  get last(): KeyRow | undefined {
    return this.rows.at(-1)
  }

  at(index: number): KeyRow | undefined {
    return this.rows[index]
  }

  /** Where the row of this name is, or would be. */
  position(name: string): number {
    let [low, high] = [0, this.rows.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBytes(this.rows[middle]?.name ?? '', name) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Where the row of this name is; -1 if there is none. */
  indexOf(name: string): number {
    const at = this.position(name)
    return this.rows[at]?.name === name ? at : -1
  }

  append(rows: KeyRow[]) {
    this.noteExpiry(rows)
    this.rows.push(...rows)
  }

  /** Takes over what is true now for one name: this row, or that there is none. */
  set(name: string, row: KeyRow | undefined) {
    const at = this.position(name)
    const existing = this.rows[at]?.name === name ? 1 : 0
    if (row) this.noteExpiry([row])
    this.rows.splice(at, existing, ...(row ? [row] : []))
  }

  /** Takes over what is true now for a part of the list. */
  replace({ after, through }: Range, rows: KeyRow[]) {
    const start = after === undefined ? 0 : this.after(after)
    const end = through === undefined ? this.rows.length : this.after(through)
    this.noteExpiry(rows)
    this.rows.splice(start, Math.max(0, end - start), ...rows)
  }

  /** Removes what has ended, and tells whether something has. */
  expire(now: number): boolean {
    if (now < this.nextExpiry) return false
    this.nextExpiry = Infinity
    const alive = this.rows.filter((row) => row.expiresAt > now)
    const ended = alive.length < this.rows.length
    this.noteExpiry(alive)
    if (ended) {
      this.rows.length = 0
      // Not spread: a call cannot have a million arguments.
      for (const row of alive) this.rows.push(row)
    }
    return ended
  }

  private after(name: string): number {
    const at = this.position(name)
    return this.rows[at]?.name === name ? at + 1 : at
  }

  private noteExpiry(rows: readonly KeyRow[]) {
    for (const row of rows) this.nextExpiry = Math.min(this.nextExpiry, row.expiresAt)
  }
}
