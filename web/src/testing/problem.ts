import type { components } from '@/api/schema'

type Problem = components['schemas']['Problem']

/** An answer of the service that says no. */
export function problem(
  status: number,
  code: Problem['code'],
  more: Partial<Problem> = {},
  headers: Record<string, string> = {},
): Response {
  const body: Problem = { type: 'about:blank', title: '', status, code, detail: code, ...more }
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/problem+json', ...headers },
  })
}
