// Does it last? A moderate rate for hours. What grows without end (memory, connections, rows that have expired) shows as a
// last quarter that is worse than the first: each quarter has to keep to the limits by itself.
import { check } from 'k6'
import exec from 'k6/execution'

import { clear, filledKeyspace, keyAt, randomValue } from './shared/keyspace.js'
import { NAMES, rawPut, send } from './shared/kverse.js'
import { anyOperation } from './shared/mix.js'
import { duration, number } from './shared/settings.js'
import { steady } from './shared/shapes.js'
import { summary } from './shared/summary.js'
import { COMMON, latency, thresholds } from './shared/thresholds.js'

const QUARTERS = 4
// One in so many iterations also puts a new key that expires.
const EXPIRING = number('EXPIRING', 10, 1, 1_000_000)
const limits = { p95: 50, p99: 200, failed: 0.001 }

export const options = {
  ...COMMON,
  scenarios: {
    soak: steady(
      number('RATE', 100, 1, 100_000),
      duration('DURATION', '2h'),
      number('VUS', 50, 1, 10_000),
    ),
  },
  thresholds: {
    ...thresholds([NAMES.put, NAMES.get, NAMES.delete, NAMES.rawPut], limits),
    ...Object.fromEntries(
      Array.from({ length: QUARTERS }, (_, quarter) => [
        `http_req_duration{quarter:${quarter + 1}}`,
        latency(limits),
      ]),
    ),
    dropped_iterations: ['count<1'],
  },
}

export const setup = filledKeyspace
export const teardown = clear
export const handleSummary = summary('soak')

/** @param {import('./shared/keyspace.js').Keyspace} space */
export default function soak(space) {
  const { progress, iterationInTest } = exec.scenario
  const quarter = Math.min(QUARTERS, Math.floor(progress * QUARTERS) + 1)
  exec.vu.metrics.tags.quarter = String(quarter)
  anyOperation(space)
  if (iterationInTest % EXPIRING === 0) {
    const request = rawPut(keyAt(space, -1 - iterationInTest), randomValue())
    check(send({ ...request, url: `${request.url}?ttl=1m` }), {
      'put with ttl: created': ({ status }) => status === 201,
    })
  }
}
