import { HttpResponse } from 'msw'

import { problem } from './problem'
import { http } from './server'

interface Stored {
  text: string
  version: number
  type: string
  expiresAt?: string
}

/** What the mocked service stores, with versions and preconditions, and what it was asked. */
export class Entries {
  readonly stored = new Map<string, Stored>()
  readonly requests: Request[] = []
  private version = 100

  put(key: string, text: string, options: Partial<Stored> = {}): string {
    const version = ++this.version
    this.stored.set(key, { text, type: 'text/plain', ...options, version })
    return String(version)
  }

  text(key: string): string | undefined {
    return this.stored.get(key)?.text
  }

  /** How often a method was used. */
  count(method: string): number {
    return this.requests.filter((request) => request.method === method).length
  }

  /** The handlers, for `server.use(…)`. */
  get handlers() {
    return [
      http.head('/kv', ({ request, response }) => response.untyped(this.read(request))),
      http.get('/kv', ({ request, response }) => response.untyped(this.read(request))),
      http.put('/kv', async ({ request, response }) => {
        const text = await request.clone().text()
        return response.untyped(this.write(request, text))
      }),
      http.patch('/kv', ({ request, response }) => response.untyped(this.touch(request))),
      http.delete('/kv', ({ request, response }) => response.untyped(this.remove(request))),
      http.get('/limits', ({ response }) =>
        response(200).json({
          max_batch_bytes: 16_777_216,
          max_batch_operations: 1000,
          max_content_type_bytes: 255,
          max_key_bytes: 1024,
          max_page_bytes: 4_194_304,
          max_page_entries: 1000,
          max_value_bytes: 1_048_576,
        }),
      ),
    ]
  }

  private key(request: Request): string {
    this.requests.push(request)
    return new URL(request.url).searchParams.get('key') ?? ''
  }

  private headers({ version, type, text, expiresAt }: Stored): Record<string, string> {
    return {
      ETag: `"${version}"`,
      'Content-Type': type,
      'Content-Length': String(new TextEncoder().encode(text).length),
      ...(expiresAt === undefined ? {} : { 'KVerse-Expires-At': expiresAt }),
    }
  }

  private read(request: Request) {
    const entry = this.stored.get(this.key(request))
    if (!entry) return problem(404, 'not_found')
    const headers = this.headers(entry)
    if (request.headers.get('If-None-Match') === headers.ETag) {
      return new HttpResponse(null, { status: 304, headers })
    }
    return new HttpResponse(request.method === 'HEAD' ? null : entry.text, { headers })
  }

  /** What keeps a write from being done. */
  private refuse(request: Request, entry: Stored | undefined) {
    const current_version = entry && String(entry.version)
    const match = request.headers.get('If-Match')
    const failed =
      (match !== null && match !== `"${entry?.version}"`) ||
      (request.headers.get('If-None-Match') === '*' && entry !== undefined)
    return failed ? problem(412, 'precondition_failed', { current_version }) : undefined
  }

  private write(request: Request, text: string) {
    const key = this.key(request)
    const refused = this.refuse(request, this.stored.get(key))
    if (refused) return refused
    this.put(key, text, { type: request.headers.get('Content-Type') ?? '' })
    return this.written(key)
  }

  private touch(request: Request) {
    const key = this.key(request)
    const entry = this.stored.get(key)
    const refused = this.refuse(request, entry)
    if (refused) return refused
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    this.put(key, entry?.text ?? '', { ...entry, expiresAt })
    return this.written(key)
  }

  private remove(request: Request) {
    const key = this.key(request)
    const refused = this.refuse(request, this.stored.get(key))
    if (refused) return refused
    return this.stored.delete(key)
      ? new HttpResponse(null, { status: 204 })
      : problem(404, 'not_found')
  }

  private written(key: string) {
    const { version, expiresAt } = this.stored.get(key) as Stored
    const headers: Record<string, string> = { ETag: `"${version}"` }
    if (expiresAt !== undefined) headers['KVerse-Expires-At'] = expiresAt
    return HttpResponse.json({ status: 'ok' }, { status: 200, headers })
  }
}
