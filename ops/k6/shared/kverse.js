// Requests to KVerse. Each has a `name` without its key: k6 keeps a time series for every value of a tag.
import http from 'k6/http'

import { BASE_URL, TOKEN } from './settings.js'

const TIMEOUT = '10s'
/** @type {Record<string, string>} */
const AUTHORIZATION = TOKEN ? { Authorization: `Bearer ${TOKEN}` } : {}

/** @typedef {import('k6/http').RefinedResponse<'text'>} Answer */
/** @typedef {Record<string, string>} Headers */

const OK = http.expectedStatuses(200)
const OK_OR_MISSING = http.expectedStatuses(200, 404)
const STORED = http.expectedStatuses(200, 201)
const DELETED = http.expectedStatuses(204)

/** The names of the requests that tests set thresholds for. */
export const NAMES = Object.freeze({
  put: 'PUT /kv',
  get: 'GET /kv',
  delete: 'DELETE /kv',
  rawPut: 'PUT /kv/{key}',
  rawGet: 'GET /kv/{key}',
  rawDelete: 'DELETE /kv/{key}',
})

/**
 * @param {string} name
 * @param {ReturnType<typeof http.expectedStatuses>} expected all others count as failed
 * @param {Headers} [headers]
 */
export function parameters(name, expected, headers) {
  return {
    headers: { ...AUTHORIZATION, ...headers },
    tags: { name },
    timeout: TIMEOUT,
    responseCallback: expected,
    responseType: /** @type {'text'} */ ('text'),
  }
}

/** @param {string} path */
export function address(path) {
  return BASE_URL + path
}

// --- The drop-in routes: JSON -------------------------------------------------------------------------------------------

/** @param {string} key */
const dropIn = (key) => address(`/kv?key=${encodeURIComponent(key)}`)

/**
 * @param {string} key
 * @param {string} value
 */
export function put(key, value) {
  const json = { 'Content-Type': 'application/json' }
  return http.put(address('/kv'), JSON.stringify({ key, value }), parameters(NAMES.put, OK, json))
}

/**
 * @param {string} key
 * @param {boolean} [mayBeMissing] a 404 is no failure
 */
export function get(key, mayBeMissing) {
  return http.get(dropIn(key), parameters(NAMES.get, mayBeMissing ? OK_OR_MISSING : OK))
}

/** @param {string} key */
export function remove(key) {
  return http.del(dropIn(key), null, parameters(NAMES.delete, OK))
}

// --- The raw routes: bytes and preconditions --------------------------------------------------------------------------

/** @param {string} key */
const raw = (key) => address(`/kv/${key.split('/').map(encodeURIComponent).join('/')}`)

/**
 * A request as `http.batch` takes it.
 * @param {string} key
 * @param {string} value
 * @param {Headers} [headers]
 */
export function rawPut(key, value, headers) {
  return {
    method: 'PUT',
    url: raw(key),
    body: value,
    params: parameters(NAMES.rawPut, STORED, { 'Content-Type': 'text/plain', ...headers }),
  }
}

/**
 * @param {string} key
 * @param {Headers} [headers]
 */
export function rawGet(key, headers) {
  const params = parameters(NAMES.rawGet, OK_OR_MISSING, headers)
  return { method: 'GET', url: raw(key), body: null, params }
}

/**
 * @param {string} key
 * @param {Headers} [headers]
 */
export function rawDelete(key, headers) {
  const params = parameters(NAMES.rawDelete, DELETED, headers)
  return { method: 'DELETE', url: raw(key), body: null, params }
}

/**
 * Sends one request.
 * @param {ReturnType<typeof rawPut | typeof rawGet | typeof rawDelete>} request
 * @returns {Answer}
 */
export function send({ method, url, body, params }) {
  return http.request(method, url, body, params)
}

// --- Many keys ----------------------------------------------------------------------------------------------------------

/**
 * @param {'/batch' | '/transaction'} path
 * @param {object[]} operations
 */
export function many(path, operations) {
  const json = { 'Content-Type': 'application/json' }
  const params = parameters(`POST ${path}`, OK, json)
  return http.post(address(path), JSON.stringify({ operations }), params)
}

/** @param {string} prefix */
export function list(prefix) {
  return http.get(
    address(`/keys?prefix=${encodeURIComponent(prefix)}`),
    parameters('GET /keys', OK),
  )
}

/**
 * One page.
 * @param {string} prefix
 * @param {string | null} cursor
 */
export function removeAll(prefix, cursor) {
  const text = encodeURIComponent(prefix)
  const rest = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
  return http.del(
    address(`/keys?prefix=${text}&confirm=${text}${rest}`),
    null,
    parameters('DELETE /keys', OK),
  )
}

// --- Answers ------------------------------------------------------------------------------------------------------------

/**
 * The JSON of an answer; undefined if it is none, as when nobody answered.
 * @param {Answer} answer
 * @param {string} [selector]
 * @returns {unknown}
 */
export function json(answer, selector) {
  try {
    return answer.json(selector)
  } catch {
    return undefined
  }
}

/**
 * What went wrong, for a message: without the key.
 * @param {Answer} answer
 */
export function problem(answer) {
  return answer.status === 0 ? answer.error : `${answer.status} ${json(answer, 'detail') ?? ''}`
}
