import { request } from './client'
import { ApiError, type Problem } from './errors'
import { readEvents, type ServerEvent } from './events'

/** A key that was changed: by this page or, as the feed of changes tells, by someone else. */
export interface KeyChange {
  event: 'put' | 'delete' | 'expire'
  key: string
  version: string
}

export interface FeedChange extends KeyChange {
  /** Where the feed goes on after it. */
  position: string
}

/** The service says something every 15 seconds by default. A connection that is silent for longer may be dead. */
const SILENCE_MS = 60_000
const KINDS: readonly KeyChange['event'][] = ['put', 'delete', 'expire']

/**
 * What is told by one connection: positions, some with a change. Ends when the service ends it; throws when the
 * connection breaks, is silent for too long, or is refused.
 */
export async function* readFeed(
  prefix: string,
  since: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<{ position?: string; change?: FeedChange }> {
  const silence = new AbortController()
  const listen = () => setTimeout(() => silence.abort(), SILENCE_MS)
  let timer = listen()
  try {
    const response = await request(`${location.origin}/watch?${new URLSearchParams({ prefix })}`, {
      headers: { Accept: 'text/event-stream', ...(since && { 'Last-Event-ID': since }) },
      signal: AbortSignal.any([signal, silence.signal]),
      cache: 'no-store',
    })
    if (!response.body) return
    for await (const event of readEvents(response.body)) {
      clearTimeout(timer)
      timer = listen()
      if (event.event === 'error') {
        const error = failure(event)
        // Asked again, the service answers so that the person is asked to sign in.
        if (error.status === 401) return
        throw error
      }
      yield { position: event.id, change: change(event) }
    }
  } finally {
    clearTimeout(timer)
  }
}

function change({ event, id = '', data }: ServerEvent): FeedChange | undefined {
  const kind = KINDS.find((kind) => kind === event)
  if (data === undefined || kind === undefined) return undefined
  const { key, version }: Omit<KeyChange, 'event'> = JSON.parse(data)
  return { event: kind, key, version, position: id }
}

/** Why the service ends the stream: the last thing that it says. */
function failure({ data = '{}' }: ServerEvent): ApiError {
  const problem: Problem = { status: 500, detail: '', ...JSON.parse(data) }
  return new ApiError(problem.status, problem.detail, problem)
}
