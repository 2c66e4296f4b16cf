import { setupServer } from 'msw/node'
import { createOpenApiHttp } from 'openapi-msw'

import type { paths } from '@/api/schema'

/** Handlers with the types of the API. */
export const http = createOpenApiHttp<paths>({ baseUrl: location.origin })

const VERBS = ['read', 'write', 'delete', 'list', 'watch', 'monitor', 'admin'] as const

/** The mocked service: without access control and empty. Tests add what they need with `server.use(…)`. */
export const server = setupServer(
  http.get('/tokens/self', ({ response }) =>
    response(200).json({ token: null, scopes: [{ verbs: [...VERBS] }] }),
  ),
  http.get('/info', ({ response }) =>
    response(200).json({
      version: '0.1.0',
      server: '5d0f6c1e9ab24873',
      authentication: 'none',
      links: { database: null, grafana: null, docs: '/docs' },
    }),
  ),
)
