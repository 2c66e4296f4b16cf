// The mixture of requests of an application: mostly reads, some keys far more often than others.
import { check } from 'k6'

import { keyAt, randomValue } from './keyspace.js'
import { get, json, put, remove } from './kverse.js'
import { KEYS, VALUE_BYTES, number } from './settings.js'

const READ_PERCENT = number('READ_PERCENT', 80, 0, 100)
const DELETE_PERCENT = number('DELETE_PERCENT', 2, 0, 100)
if (READ_PERCENT + DELETE_PERCENT > 100) {
  throw new Error('READ_PERCENT and DELETE_PERCENT are more than 100 together')
}

// A fifth of the keys gets more than half of the requests.
const SKEW = 3

/** @param {import('./keyspace.js').Keyspace} space */
export function anyOperation(space) {
  const key = keyAt(space, Math.floor(KEYS * Math.random() ** SKEW))
  const percent = Math.random() * 100
  if (percent < READ_PERCENT) {
    const answer = get(key, true)
    check(answer, {
      'get: a value of the right length, or none': () =>
        answer.status === 404 ||
        /** @type {string | undefined} */ (json(answer, 'data.value'))?.length === VALUE_BYTES,
    })
  } else if (percent < READ_PERCENT + DELETE_PERCENT) {
    const answer = remove(key)
    check(answer, { 'delete: done': () => json(answer, 'key') === key })
  } else {
    const answer = put(key, randomValue())
    check(answer, { 'put: ok': () => json(answer, 'status') === 'ok' })
  }
}
