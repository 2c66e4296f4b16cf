import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test } from 'vitest'

import { useSession, type Scope } from './session'
import { api, data } from '@/api/client'
import { problem } from '@/testing/problem'
import { http, server } from '@/testing/server'

const GOOD = `kv_good_${'x'.repeat(40)}`
const OTHER = `kv_other_${'x'.repeat(40)}`

/** A service that knows these tokens. */
function serve(tokens: Record<string, Scope[]>) {
  server.use(
    http.get('/tokens/self', ({ request, response }) => {
      const shown = request.headers.get('Authorization')?.replace('Bearer ', '')
      if (!shown) return response.untyped(problem(401, 'missing_token'))
      const scopes = tokens[shown]
      if (!scopes) return response.untyped(problem(401, 'invalid_token'))
      const [, id = ''] = shown.split('_')
      const token = { id, name: id, scopes, created_at: '2026-01-01T00:00:00Z', expires_at: null }
      return response(200).json({ token, scopes })
    }),
  )
}

beforeEach(() => setActivePinia(createPinia()))

test('a token is kept in the storage of the tab with consent only', async () => {
  serve({ [GOOD]: [] })
  const session = useSession()
  await session.signIn(GOOD, false)
  expect(session.identity?.name).toBe('good')
  expect(JSON.stringify({ ...sessionStorage, ...localStorage })).not.toContain(GOOD)
  await session.signIn(GOOD, true)
  expect(sessionStorage).toHaveLength(1)
  session.signOut()
  expect(sessionStorage).toHaveLength(0)
})

test('what was remembered is used after a reload, and forgotten once it is refused', async () => {
  serve({ [GOOD]: [] })
  await useSession().signIn(GOOD, true)
  setActivePinia(createPinia())
  await useSession().load()
  expect(useSession().signedIn).toBe(true)
  serve({})
  setActivePinia(createPinia())
  await expect(useSession().load()).rejects.toThrow('invalid_token')
  expect(useSession().refusal?.code).toBe('invalid_token')
  expect(sessionStorage).toHaveLength(0)
})

test('a token that is tried out and refused changes nothing', async () => {
  serve({ [GOOD]: [] })
  const session = useSession()
  await session.signIn(GOOD, false)
  await expect(session.signIn(OTHER, true)).rejects.toThrow('invalid_token')
  expect(session.required).toBe(false)
  expect(session.identity?.name).toBe('good')
  await session.load()
  expect(session.identity?.name).toBe('good')
})

test('an answer to the token of before does not ask for another one', async () => {
  serve({ [GOOD]: [], [OTHER]: [] })
  const session = useSession()
  await session.signIn(GOOD, false)
  let answer: () => void = () => undefined
  const asked = new Promise<void>((asked) => {
    server.use(
      http.get('/limits', async ({ response }) => {
        asked()
        await new Promise<void>((resolve) => (answer = resolve))
        return response.untyped(problem(401, 'invalid_token'))
      }),
    )
  })
  const late = data(api.GET('/limits')).catch((error: unknown) => error)
  await asked
  await session.signIn(OTHER, false)
  answer()
  await late
  expect(session.required).toBe(false)
})

test('scopes say what may be done where', async () => {
  serve({
    [GOOD]: [
      { verbs: ['read', 'list'], prefix: 'reports/2026/' },
      { verbs: ['read', 'list'], prefix: 'reports/' },
      { verbs: ['write'], prefix: '' },
    ],
  })
  const session = useSession()
  expect(session.may('read')).toBe(false)
  await session.signIn(GOOD, false)
  expect(session.may('read', 'reports/x')).toBe(true)
  expect(session.may('read', 'report')).toBe(false)
  expect(session.may('write')).toBe(true)
  expect(session.maySomewhere('list')).toBe(true)
  expect(session.reach(['list', 'read'])).toBe('reports/')
  expect(session.reach(['read', 'write'])).toBe('reports/')
  expect(session.reach(['delete'])).toBeUndefined()
  expect(session.lacking(['watch', 'delete'])).toEqual(['watch', 'delete'])
  expect(session.lacking(['watch', 'read'])).toEqual([])
  expect(session.lacking()).toEqual([])
})
