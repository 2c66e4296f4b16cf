// How much does it bear? The rate rises until answers fail, or take too long, or the users who wait for them run out; that
// ends the run. Reaching MAX_RATE ends it well.
import exec from 'k6/execution'
import { Gauge } from 'k6/metrics'

import { clear, filledKeyspace } from './shared/keyspace.js'
import { NAMES } from './shared/kverse.js'
import { anyOperation } from './shared/mix.js'
import { duration, number } from './shared/settings.js'
import { rising } from './shared/shapes.js'
import { summary } from './shared/summary.js'
import { COMMON, thresholds } from './shared/thresholds.js'

const START_RATE = number('START_RATE', 100, 1, 100_000)
const MAX_RATE = number('MAX_RATE', 5000, 1, 100_000)
// The first seconds, with connections that are being made, do not count.
const SETTLED = '10s'
const MAX_DROPPED = 100

/** @param {import('./shared/thresholds.js').Thresholds} limits */
const ending = (limits) =>
  limits.map((threshold) => ({
    threshold: String(threshold),
    abortOnFail: true,
    delayAbortEval: SETTLED,
  }))

const limits = thresholds([NAMES.put, NAMES.get, NAMES.delete], {
  p95: 250,
  p99: 1000,
  failed: 0.01,
})

export const options = {
  ...COMMON,
  scenarios: {
    stress: rising(START_RATE, MAX_RATE, duration('DURATION', '5m'), number('VUS', 200, 1, 10_000)),
  },
  thresholds: {
    ...Object.fromEntries(Object.entries(limits).map(([metric, those]) => [metric, ending(those)])),
    http_req_failed: ending(limits.http_req_failed),
    checks: ending(limits.checks),
    dropped_iterations: ending([`count<${MAX_DROPPED}`]),
  },
}

const offered = new Gauge('offered_rate')

export const setup = filledKeyspace
export const teardown = clear
export const handleSummary = summary('stress', ({ offered_rate: rate }) => [
  `The rate rose to ${Math.round(rate?.values.max ?? 0)} of ${MAX_RATE} iterations a second.`,
])

/** @param {import('./shared/keyspace.js').Keyspace} space */
export default function stress(space) {
  offered.add(START_RATE + (MAX_RATE - START_RATE) * exec.scenario.progress)
  anyOperation(space)
}
