/** One block of a stream of server-sent events. */
export interface ServerEvent {
  /** Where the stream is after it. */
  id?: string
  event: string
  /** Absent if the block only says where the stream is. */
  data?: string
}

/** More than any event of the service has: a key of 1024 bytes and some numbers. */
const MAX_LINE = 64 * 1024

/**
 * Reads server-sent events (WHATWG HTML, section 9.2) until the stream ends.
 *
 * The service says where the feed is by blocks that have an `id` and no `data`: as the first thing, and whenever nothing
 * has happened for a while. Packages that parse such streams drop these, and with them the place to go on from.
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  let block: Partial<ServerEvent> = {}
  for await (const line of lines(body)) {
    if (line === '') {
      if (block.id !== undefined || block.data !== undefined) yield { event: 'message', ...block }
      block = {}
      continue
    }
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (field === 'data') block.data = block.data === undefined ? value : `${block.data}\n${value}`
    else if (field === 'event') block.event = value
    else if (field === 'id' && !value.includes('\0')) block.id = value
  }
}

async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      // What is not ended by an empty line is not an event.
      if (done) return
      rest += decoder.decode(value, { stream: true })
      // A carriage return at the end may be the first half of a line end.
      const found = rest.split(/\r\n|\n|\r(?!$)/)
      rest = found.pop() ?? ''
      if (rest.length > MAX_LINE) throw new RangeError(`a line is longer than ${MAX_LINE}`)
      yield* found
    }
  } finally {
    reader.cancel().catch(() => undefined)
  }
}
