import { HttpResponse } from 'msw'

import { http, server } from './server'

/** A feed of changes as the browser sees it: what it was asked, and a stream that the test writes. */
export function mockFeed() {
  const asked: { prefix: string | null; since: string | null; token: string | null }[] = []
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined
  let cancelled = 0
  const refusals: (() => Response)[] = []
  server.use(
    http.untyped.get('*/watch', ({ request }) => {
      asked.push({
        prefix: new URL(request.url).searchParams.get('prefix'),
        since: request.headers.get('Last-Event-ID'),
        token: request.headers.get('Authorization'),
      })
      const refusal = refusals.shift()
      if (refusal) return refusal()
      request.signal.addEventListener('abort', () => (cancelled += 1))
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => void (stream = controller),
      })
      return new HttpResponse(body, { headers: { 'Content-Type': 'text/event-stream' } })
    }),
  )
  return {
    asked,
    refusals,
    cancelled: () => cancelled,
    send: (text: string) => stream?.enqueue(new TextEncoder().encode(text)),
    end: () => stream?.close(),
    fail: () => stream?.error(new TypeError('network')),
  }
}

/** An event of the feed. */
export const put = (id: number, key = `k${id}`) =>
  `event: put\nid: ${id}\ndata: {"key":"${key}","version":"${id}"}\n\n`
