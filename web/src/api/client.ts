import createClient from 'openapi-fetch'

import { ApiError, NetworkError } from './errors'
import type { paths } from './schema'
import { noteServerDate } from './serverClock'

type Unauthenticated = (error: ApiError) => void
type Transport = (request: Request) => Promise<Response>

let bearer: string | null = null
let onUnauthenticated: Unauthenticated = () => undefined

/** The header that shows a token. */
export const authorization = (token: string) => `Bearer ${token}`

/** Sets what every request is sent with, and who is told that it was refused. */
export function authenticate(token: string | null, refused?: Unauthenticated) {
  bearer = token
  if (refused) onUnauthenticated = refused
}

/**
 * `fetch` with the access token; throws `NetworkError` and `ApiError` instead of answering what is not `ok`.
 * For the routes whose bodies are not JSON; `api` is for the others. `transport` is for what `fetch` cannot do, `answers`
 * are the statuses that are not errors here.
 */
export async function request(
  input: Request | string,
  init?: RequestInit,
  transport: Transport = fetch,
  answers: readonly number[] = [],
): Promise<Response> {
  const asked = new Request(input, init)
  // A token that is tried out comes with the request.
  if (!asked.headers.has('Authorization') && bearer !== null) {
    asked.headers.set('Authorization', authorization(bearer))
  }
  const sent = asked.headers.get('Authorization')
  let response: Response
  try {
    response = await transport(asked)
  } catch (cause) {
    if (asked.signal.aborted) throw cause
    throw new NetworkError({ cause })
  }
  noteServerDate(response)
  if (response.ok || answers.includes(response.status)) return response
  const error = await ApiError.from(response)
  const isCurrent = sent === (bearer === null ? null : authorization(bearer))
  if (error.status === 401 && isCurrent) onUnauthenticated(error)
  throw error
}

/** The typed client. Calls throw for whatever is not a success, so that `data` is there; see `request`. */
export const api = createClient<paths>({
  baseUrl: globalThis.location?.origin ?? '',
  fetch: (asked) => request(asked),
})

/** The data of an answer. */
export async function data<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T
}
