import { compareBytes } from '@/keys/byteOrder'

import { http, server } from './server'

interface Stored {
  size?: number
  content_type?: string | null
  expires_at?: string | null
}

/** The keys of the mocked service: `GET /keys` as the real one answers it, with the name of the last row as cursor. */
export class StoredKeys {
  readonly requests: URLSearchParams[] = []
  private readonly keys = new Map<string, Stored>()

  constructor(
    keys: string[] = [],
    private readonly defaultLimit = 100,
  ) {
    for (const key of keys) this.put(key)
    this.serve()
  }

  /** Answers again after the handlers were reset. */
  serve() {
    server.use(
      http.get('/limits', ({ response }) =>
        response(200).json({ max_page_entries: 1000 } as never),
      ),
      http.get('/keys', ({ request, response }) => {
        const query = new URL(request.url).searchParams
        this.requests.push(query)
        return response(200).json(query.has('count') ? this.count(query) : this.page(query))
      }),
    )
  }

  put(key: string, stored: Stored = {}) {
    this.keys.set(key, stored)
  }

  delete(key: string) {
    this.keys.delete(key)
  }

  /** The requests for pages since the last call. */
  listed(): URLSearchParams[] {
    return this.requests.splice(0).filter((query) => !query.has('count'))
  }

  private named(query: URLSearchParams): string[] {
    const prefix = query.get('prefix') ?? ''
    return [...this.keys.keys()].filter((key) => key.startsWith(prefix)).sort(compareBytes)
  }

  private count(query: URLSearchParams) {
    return { count: this.named(query).length, cursor: null }
  }

  private page(query: URLSearchParams) {
    const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter')]
    const [after, cursor] = [query.get('start_after'), query.get('cursor')]
    const limit = Number(query.get('limit') ?? this.defaultLimit)
    const rows = new Set<string>()
    for (const key of this.named(query)) {
      const end = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length)
      const name = end < 0 ? key : key.slice(0, end + 1)
      if (after !== null && compareBytes(key, after) <= 0) continue
      if (cursor !== null && compareBytes(name, cursor) <= 0) continue
      rows.add(name)
    }
    const page = [...rows].slice(0, limit)
    return {
      keys: page.flatMap((name) => {
        const stored = this.keys.get(name)
        if (!stored) return []
        const { size = 1, content_type = 'text/plain', expires_at = null } = stored
        return [{ key: name, version: '1', size, content_type, expires_at }]
      }),
      common_prefixes: page.filter((name) => !this.keys.has(name)),
      cursor: page.length < rows.size ? (page.at(-1) ?? null) : null,
    }
  }
}
