import { fetchKeys, type KeyPage } from '@/api/keys'
import { compareBytes } from './byteOrder'
import { DELIMITER, folderOf, folderRow, KeyRows, rowsOf, type KeyRow, type Range } from './keyRows'

/** A browser makes no element of more than 33.5 million pixels: this many rows of 32 pixels end below that. */
export const MAX_ROWS = 1_000_000

export interface KeyQuery {
  prefix: string
  /** Whether keys with a delimiter after the prefix are folded into folders. */
  folders: boolean
}

/** What to start after so that this row is passed over, but none that follows it. */
function passing(row: KeyRow | undefined): string | undefined {
  // What is in a folder comes after its name: start before it, and read it again.
  return row?.folder ? `${row.name.slice(0, -DELIMITER.length)}.` : row?.name
}

function isAfter(name: string | undefined, other: string): boolean {
  return name !== undefined && compareBytes(name, other) > 0
}

/** The keys with a prefix, as far as they are loaded. It changes in place; `useKeyList` tells when it has. */
export class KeyList {
  readonly rows = new KeyRows()
  private cursor: string | null = null
  /** What is known to be current, if not everything is. */
  private current: Range | undefined

  private constructor(
    readonly query: KeyQuery,
    /** How many entries a page may have. */
    private readonly pageEntries: () => Promise<number>,
  ) {}

  /** Loads the first keys: only as many as the service answers by default, so that there is something to see soon. */
  static async load(
    query: KeyQuery,
    pageEntries: () => Promise<number>,
    signal: AbortSignal,
  ): Promise<KeyList> {
    const list = new KeyList(query, pageEntries)
    list.append(await list.fetch({}, signal))
    return list
  }

  /** The folder whose keys these are, or some of them. */
  get folder(): string {
    const { prefix, folders } = this.query
    return folders ? folderOf(prefix) : ''
  }

  get more(): boolean {
    return this.cursor !== null && this.rows.length < MAX_ROWS
  }

  /** Whether there are more keys than a list can have. */
  get full(): boolean {
    return this.cursor !== null && this.rows.length >= MAX_ROWS
  }

  async loadMore(): Promise<void> {
    const { cursor } = this
    if (cursor === null) return
    const page = await this.fetch({ cursor, limit: await this.pageEntries() })
    // If it is another one, the list has been read again up to there meanwhile.
    if (cursor === this.cursor) this.append(page)
  }

  /** The row that a key is in or belongs in, if that part of the list is loaded. */
  rowOf(key: string): string | undefined {
    const { prefix, folders } = this.query
    if (!key.startsWith(prefix)) return undefined
    const end = folders ? key.indexOf(DELIMITER, prefix.length) : -1
    const name = end === -1 ? key : key.slice(0, end + DELIMITER.length)
    const last = this.rows.last?.name ?? ''
    return this.cursor === null || !isAfter(name, last) ? name : undefined
  }

  /** Reads one row again. */
  async refresh(name: string): Promise<void> {
    const { prefix, folders } = this.query
    // The first key that begins so is the key itself, or any one of the folder.
    const [first] = rowsOf(await fetchKeys({ prefix: name, limit: 1 }))
    const folder = folders && name.includes(DELIMITER, prefix.length)
    if (folder) this.rows.set(name, first && folderRow(name))
    else this.rows.set(name, first?.name === name ? first : undefined)
  }

  /** Forgets what is known to be current: much has changed. `look` reads again what is looked at. */
  outdate() {
    this.current = { through: '' }
  }

  isCurrent(first: number, last: number): boolean {
    return this.knows(first) && this.knows(last)
  }

  /** Reads on in what is not known to be current, from the row `first`. */
  async reread(first: number): Promise<void> {
    const known = this.knows(first) ? this.current : undefined
    const after = known ? known.through : passing(this.rows.at(first - 1))
    const page = await this.fetch({ start_after: after, limit: await this.pageEntries() })
    const rows = rowsOf(page)
    const through = page.cursor === null ? undefined : (rows.at(-1)?.name ?? after ?? '')
    if (through === undefined || !isAfter(this.rows.last?.name, through)) this.cursor = page.cursor
    this.rows.replace({ after, through }, rows)
    this.current = { after: known ? known.after : after, through }
  }

  private append(page: KeyPage) {
    this.rows.append(rowsOf(page))
    this.cursor = page.cursor
  }

  private fetch(query: Parameters<typeof fetchKeys>[0], signal?: AbortSignal): Promise<KeyPage> {
    const { prefix, folders } = this.query
    const delimiter = folders ? DELIMITER : undefined
    return fetchKeys({ prefix: prefix || undefined, delimiter, ...query }, signal)
  }

  private knows(index: number): boolean {
    const name = this.rows.at(index)?.name
    if (!this.current || name === undefined) return true
    const { after, through } = this.current
    return (
      (after === undefined || isAfter(name, after)) &&
      (through === undefined || !isAfter(name, through))
    )
  }
}
