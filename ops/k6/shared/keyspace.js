// The keys of a run: made before it, deleted after it, apart from those of everybody else.
import { sleep } from 'k6'
import exec from 'k6/execution'

import { json, many, problem, put, removeAll } from './kverse.js'
import { KEYS, PREFIX, VALUE_BYTES } from './settings.js'

// A body of at most a megabyte or so.
const BATCH = Math.max(1, Math.min(500, Math.floor((1 << 20) / (VALUE_BYTES + 100))))
const PATIENCE_MS = 20_000
const FINAL = [400, 401, 403, 422]

/** @typedef {{ prefix: string }} Keyspace */

/**
 * Ends the run before it begins if the service cannot be used.
 * @returns {Keyspace}
 */
export function keyspace() {
  const random = Math.floor(Math.random() * 36 ** 6).toString(36)
  const prefix = `${PREFIX}${Date.now().toString(36)}-${random}/`
  for (const answer of [put(`${prefix}first`, 'is there'), removeAll(prefix, null)]) {
    if (answer.status !== 200) {
      exec.test.abort(`keys below ${PREFIX} cannot be stored and deleted: ${problem(answer)}`)
    }
  }
  return { prefix }
}

/**
 * @param {Keyspace} space
 * @param {number} index
 */
export function keyAt(space, index) {
  return `${space.prefix}key-${index}`
}

/** As long as VALUE_BYTES says, and another one each time. */
export function randomValue() {
  let text = ''
  while (text.length < VALUE_BYTES) {
    text += Math.random().toString(36).slice(2)
  }
  return text.slice(0, VALUE_BYTES)
}

/** A keyspace of KEYS keys that all have a value. */
export function filledKeyspace() {
  const space = keyspace()
  for (let first = 0; first < KEYS; first += BATCH) {
    const operations = []
    for (let index = first; index < Math.min(first + BATCH, KEYS); index++) {
      operations.push({ op: 'put', key: keyAt(space, index), value: randomValue() })
    }
    const answer = many('/batch', operations)
    const results = json(answer, 'results.#.status')
    if (!Array.isArray(results) || results.some((status) => status >= 300)) {
      exec.test.abort(`the keys of the test cannot be stored: ${problem(answer)}`)
    }
  }
  return space
}

/**
 * Deletes what the run has left, although servers may just be coming back.
 * @param {Keyspace} space
 */
export function clear({ prefix }) {
  let cursor = null
  let deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const answer = removeAll(prefix, cursor)
    if (answer.status === 200) {
      deadline = Date.now() + PATIENCE_MS
      cursor = /** @type {string | null} */ (json(answer, 'cursor') ?? null)
      if (cursor === null) {
        return
      }
    } else if (Date.now() < deadline && !FINAL.includes(answer.status)) {
      sleep(0.5)
    } else {
      // No exception: it would hide that thresholds were not kept.
      console.error(`keys below ${prefix} are still there: ${problem(answer)}`)
      return
    }
  }
}
