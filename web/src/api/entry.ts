import { request } from './client'
import { NetworkError } from './errors'
import { uploading } from './upload'

export type Bytes = Uint8Array<ArrayBuffer>

/** What each write gives an entry. */
export interface Stamp {
  version: string
  /** When it ends, by the clock of the service: see `serverNow`. */
  expiresAt: number | undefined
}

/** What is known of an entry without its value. */
export interface Facts extends Stamp {
  /** In bytes; not there if a proxy has compressed the answer. */
  size: number | undefined
  contentType: string
}

export interface Entry extends Facts {
  size: number
  bytes: Bytes
}

/** What a key has to be for a write to happen: of this version, or not there; `any` is whatever it is. */
export type Precondition = { version: string } | 'absent' | 'any'

export interface Put {
  key: string
  bytes: Bytes
  contentType: string
  /** As the service takes it: `90s`, `1h30m`, `none`, `keep`. */
  ttl: string
  precondition: Precondition
}

interface PutOptions {
  idempotencyKey: string
  signal?: AbortSignal
  /** How many bytes are sent. */
  progress?: (sent: number) => void
}

interface ReadOptions {
  signal?: AbortSignal
  /** How many bytes have come. */
  progress?: (received: number) => void
}

/** Bytes in and out. */
const RAW = { Accept: 'application/octet-stream' }
/** What the service says of bytes that nobody said more about. */
const UNTYPED = 'application/octet-stream'

/** The key stands in the query: a proxy, or the browser itself, would rewrite `..` and `//` in the path. */
function address(key: string, parameters: Record<string, string> = {}): string {
  return `${location.origin}/kv?${new URLSearchParams({ key, ...parameters })}`
}

function conditions(precondition: Precondition): Record<string, string> {
  if (precondition === 'any') return {}
  if (precondition === 'absent') return { 'If-None-Match': '*' }
  return { 'If-Match': `"${precondition.version}"` }
}

/** The facts of an entry; `undefined` if it still has the version that is known. */
export async function readFacts(
  key: string,
  options: { signal?: AbortSignal; known?: string } = {},
): Promise<Facts | undefined> {
  const { signal, known } = options
  const headers = known === undefined ? RAW : { ...RAW, 'If-None-Match': `"${known}"` }
  // The browser's own cache knows nothing of a write by someone else.
  const asked = { method: 'HEAD', headers, signal, cache: 'no-store' } as const
  const response = await request(address(key), asked, fetch, [304])
  return response.status === 304 ? undefined : factsOf(response)
}

/** The entry with its value. */
export async function readEntry(key: string, options: ReadOptions = {}): Promise<Entry> {
  const { signal, progress } = options
  const response = await request(address(key), { headers: RAW, signal, cache: 'no-store' })
  const facts = factsOf(response)
  const bytes = await readBody(response, facts.size, progress).catch((cause: unknown) => {
    throw signal?.aborted ? cause : new NetworkError({ cause })
  })
  return { ...facts, size: bytes.length, bytes }
}

/** Stores an entry. */
export async function putEntry(put: Put, options: PutOptions): Promise<Entry> {
  const { idempotencyKey, signal, progress = () => undefined } = options
  const headers = new Headers({
    ...RAW,
    ...conditions(put.precondition),
    'Idempotency-Key': idempotencyKey,
  })
  if (put.contentType !== '') headers.set('Content-Type', put.contentType)
  const response = await request(
    address(put.key, { ttl: put.ttl }),
    { method: 'PUT', headers, body: put.bytes, signal },
    uploading(progress),
  )
  const { bytes, contentType } = put
  return { ...stampOf(response), size: bytes.length, contentType: contentType || UNTYPED, bytes }
}

/** Changes when an entry ends. */
export async function touchEntry(
  key: string,
  ttl: string,
  precondition: Precondition,
  idempotencyKey: string,
): Promise<Stamp> {
  const response = await request(address(key, { ttl }), {
    method: 'PATCH',
    headers: { ...RAW, ...conditions(precondition), 'Idempotency-Key': idempotencyKey },
  })
  return stampOf(response)
}

export async function deleteEntry(key: string, precondition: Precondition, idempotencyKey: string) {
  await request(address(key), {
    method: 'DELETE',
    headers: { ...RAW, ...conditions(precondition), 'Idempotency-Key': idempotencyKey },
  })
}

function stampOf({ headers }: Response): Stamp {
  const expiresAt = headers.get('KVerse-Expires-At')
  return {
    // A proxy that compresses makes the tag a weak one.
    version: /"(\d+)"/.exec(headers.get('ETag') ?? '')?.[1] ?? '',
    expiresAt: expiresAt === null ? undefined : Date.parse(expiresAt),
  }
}

function factsOf(response: Response): Facts {
  const { headers } = response
  const length = headers.get('Content-Encoding') === null ? headers.get('Content-Length') : null
  return {
    ...stampOf(response),
    size: length === null ? undefined : Number(length),
    contentType: headers.get('Content-Type') ?? UNTYPED,
  }
}

async function readBody(
  response: Response,
  size: number | undefined,
  progress: (received: number) => void = () => undefined,
): Promise<Bytes> {
  const chunks: Uint8Array[] = []
  let received = 0
  const reader = response.body?.getReader()
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    chunks.push(read.value)
    received += read.value.length
    progress(received)
  }
  const bytes = new Uint8Array(received)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  if (size !== undefined && size !== received) throw new TypeError('The answer broke off.')
  return bytes
}
