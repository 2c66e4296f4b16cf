// Is everything there? One client does each kind of request a few times; nothing may fail.
import { check } from 'k6'
import http from 'k6/http'

import { clear, keyspace, randomValue } from './shared/keyspace.js'
import {
  NAMES,
  get,
  json,
  list,
  many,
  put,
  rawDelete,
  rawGet,
  rawPut,
  remove,
  send,
} from './shared/kverse.js'
import { number } from './shared/settings.js'
import { summary } from './shared/summary.js'
import { COMMON, thresholds } from './shared/thresholds.js'

export const options = {
  ...COMMON,
  scenarios: {
    smoke: {
      executor: 'per-vu-iterations',
      vus: 1,
      iterations: number('ITERATIONS', 5, 1, 1000),
      maxDuration: '2m',
    },
  },
  thresholds: thresholds(Object.values(NAMES), { p95: 500, p99: 1000, failed: 0 }),
}

export const setup = keyspace
export const teardown = clear
export const handleSummary = summary('smoke')

/** @param {import('./shared/keyspace.js').Keyspace} space */
export default function smoke(space) {
  const key = `${space.prefix}café ${__ITER}`
  const value = randomValue()
  dropIn(key, value)
  raw(key, value)
  preconditions(key, value)
  collections(`${space.prefix}many ${__ITER}/`, value)
}

/**
 * @param {string} key
 * @param {string} value
 */
function dropIn(key, value) {
  const stored = put(key, value)
  check(stored, { 'PUT /kv: ok': () => json(stored, 'status') === 'ok' })
  const read = get(key)
  check(read, { 'GET /kv: the value': () => json(read, 'data.value') === value })
  const removed = remove(key)
  check(removed, { 'DELETE /kv: deleted': () => json(removed, 'deleted') === true })
  const missing = get(key, true)
  check(missing, { 'GET /kv: 404 after that': ({ status }) => status === 404 })
  const again = remove(key)
  check(again, { 'DELETE /kv: not deleted twice': () => json(again, 'deleted') === false })
}

/**
 * @param {string} key
 * @param {string} value
 */
function raw(key, value) {
  check(send(rawPut(key, value)), { 'PUT /kv/{key}: created': ({ status }) => status === 201 })
  check(send(rawGet(key)), {
    'GET /kv/{key}: the bytes': ({ body }) => body === value,
    'GET /kv/{key}: their type': ({ headers }) => headers['Content-Type'] === 'text/plain',
  })
  check(send(rawDelete(key)), { 'DELETE /kv/{key}: done': ({ status }) => status === 204 })
}

/**
 * @param {string} key
 * @param {string} value
 */
function preconditions(key, value) {
  const created = send(rawPut(key, value, { 'If-None-Match': '*' }))
  const version = created.headers.Etag ?? ''
  check(created, { 'If-None-Match: * creates': ({ status }) => status === 201 })
  const replaced = send(rawPut(key, `${value}2`, { 'If-Match': version }))
  check(replaced, { 'If-Match replaces': ({ status }) => status === 200 })
  const refused = rawPut(key, value, { 'If-Match': version })
  refused.params.responseCallback = http.expectedStatuses(412)
  check(send(refused), { 'If-Match refuses an old version': ({ status }) => status === 412 })
  const unchanged = rawGet(key, { 'If-None-Match': replaced.headers.Etag ?? '' })
  unchanged.params.responseCallback = http.expectedStatuses(304)
  check(send(unchanged), { 'If-None-Match: unchanged': ({ status }) => status === 304 })
}

/**
 * @param {string} prefix
 * @param {string} value
 */
function collections(prefix, value) {
  const puts = ['a', 'b'].map((name) => ({ op: 'put', key: prefix + name, value }))
  const batch = many('/batch', puts)
  check(batch, { 'POST /batch: created': () => json(batch, 'results.1.status') === 201 })
  const gets = puts.map(({ key }) => ({ op: 'get', key }))
  const transaction = many('/transaction', gets)
  check(transaction, {
    'POST /transaction: the value': () => json(transaction, 'results.1.value') === value,
  })
  const keys = list(prefix)
  check(keys, { 'GET /keys: both': () => json(keys, 'keys.#') === 2 })
}
