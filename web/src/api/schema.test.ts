import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import openapiTS, { astToString } from 'openapi-typescript'
import { expect, test } from 'vitest'

test('the types are those of the OpenAPI document (npm run api writes them)', async () => {
  const fresh = astToString(
    await openapiTS(pathToFileURL(resolve('../kverse-server/openapi.json'))),
  )
  const committed = readFileSync('src/api/schema.ts', 'utf8')
  expect(committed.endsWith(fresh)).toBe(true)
})
