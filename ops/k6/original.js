// The load test of the service that KVerse replaces, on the routes that both have: 100 users who each put a key, get it and
// delete it, again and again, with a pause in between.
import { check, sleep } from 'k6'
import exec from 'k6/execution'

import { clear, keyAt, keyspace, randomValue } from './shared/keyspace.js'
import { NAMES, get, json, put, remove } from './shared/kverse.js'
import { duration, number } from './shared/settings.js'
import { users } from './shared/shapes.js'
import { summary } from './shared/summary.js'
import { COMMON, thresholds } from './shared/thresholds.js'

const PAUSE_MS = number('PAUSE_MS', 500, 0, 60_000)

export const options = {
  ...COMMON,
  scenarios: { original: users(number('VUS', 100, 1, 10_000), duration('DURATION', '1m')) },
  thresholds: thresholds([NAMES.put, NAMES.get, NAMES.delete], {
    p95: 500,
    p99: 1000,
    failed: 0.001,
  }),
}

export const setup = keyspace
export const teardown = clear
export const handleSummary = summary('original')

/** @param {import('./shared/keyspace.js').Keyspace} space */
export default function original(space) {
  const key = keyAt(space, exec.scenario.iterationInTest)
  const value = randomValue()
  const stored = put(key, value)
  check(stored, { 'put: ok': () => json(stored, 'status') === 'ok' })
  const read = get(key)
  check(read, { 'get: what was put': () => json(read, 'data.value') === value })
  const removed = remove(key)
  check(removed, { 'delete: was there': () => json(removed, 'deleted') === true })
  sleep(PAUSE_MS / 1000)
}
