import type { components } from './schema'

export type Problem = components['schemas']['Problem']

/** The service answered that it did not do what was asked. */
export class ApiError extends Error {
  override readonly name = 'ApiError'

  constructor(
    readonly status: number,
    /** What is wrong, for a person, as the service says it. */
    message: string,
    /** The body, if it was one of KVerse and not of a proxy. */
    readonly problem?: Problem,
    /** After how many seconds to try again. */
    readonly retryAfter?: number,
    /** What the service logs this request as. */
    readonly requestId?: string,
  ) {
    super(message)
  }

  static async from(response: Response): Promise<ApiError> {
    const problem = await readProblem(response)
    const retryAfter = Number.parseInt(response.headers.get('Retry-After') ?? '', 10)
    return new ApiError(
      response.status,
      problem?.detail ?? (response.statusText || `HTTP ${response.status}`),
      problem,
      Number.isNaN(retryAfter) ? undefined : retryAfter,
      response.headers.get('X-Request-Id') ?? undefined,
    )
  }

  get code(): Problem['code'] | undefined {
    return this.problem?.code
  }
}

/** There was no answer: the service or the network is down. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError'

  constructor(options?: ErrorOptions) {
    super('The service did not answer.', options)
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

async function readProblem(response: Response): Promise<Problem | undefined> {
  if (!response.headers.get('Content-Type')?.includes('json')) return undefined
  try {
    const body: unknown = await response.json()
    return isProblem(body) ? body : undefined
  } catch {
    return undefined
  }
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'detail' in body && 'code' in body
}
