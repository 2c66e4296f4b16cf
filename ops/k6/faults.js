// Are KVerse's promises kept while servers and Redis are killed and come back? Each client writes keys of its own and compares
// what it reads with what was acknowledged to it: no read is stale, no acknowledged write is lost, no refused one is done.
// Who causes the faults is another matter: cause_faults.sh, or an operator.
import { check, sleep } from 'k6'
import exec from 'k6/execution'
import http from 'k6/http'
import { Counter, Rate } from 'k6/metrics'

import { clear, keyspace } from './shared/keyspace.js'
import { NAMES, problem, rawDelete, rawGet, rawPut, send } from './shared/kverse.js'
import { Register, isAnswered, stateOf } from './shared/register.js'
import { duration, number } from './shared/settings.js'
import { users } from './shared/shapes.js'
import { summary } from './shared/summary.js'
import { COMMON, NO_RATE_LIMIT, latency } from './shared/thresholds.js'

/** @typedef {import('./shared/keyspace.js').Keyspace} Keyspace */
/** @typedef {import('./shared/kverse.js').Answer} Answer */

const KEYS_EACH = number('KEYS_EACH', 5, 1, 1000)
const DELETE_PERCENT = number('DELETE_PERCENT', 10, 0, 100)
const PAUSE_MS = number('PAUSE_MS', 200, 0, 60_000)
const MAX_READS_FAILED = number('MAX_READS_FAILED', 0.01, 0, 1)
const MAX_WRITES_FAILED = number('MAX_WRITES_FAILED', 0.1, 0, 1)
// The last part of the run, in which all that was acknowledged is read again.
const WRITING = 0.9
// Reads at the same time as a write; those after it, one by one, reach both servers behind Nginx.
const READS_DURING = 3
const READS_AFTER = 2
const SECOND_LOOKS = 20
// Of each client.
const MAX_MESSAGES = 5
// 0: no answer at all.
const UNAVAILABLE = [0, 429, 503, 504]
// A program that does not answer for some seconds holds requests up for as long.
const limits = { p95: 1000, p99: 5000, failed: MAX_READS_FAILED }

export const options = {
  ...COMMON,
  scenarios: { faults: users(number('VUS', 20, 1, 10_000), duration('DURATION', '2m')) },
  thresholds: {
    stale_reads: ['count==0'],
    lost_writes: ['count==0'],
    wrong_answers: ['count==0'],
    reads_failed: [`rate<=${MAX_READS_FAILED}`],
    writes_failed: [`rate<=${MAX_WRITES_FAILED}`],
    checks: ['rate==1'],
    ...NO_RATE_LIMIT,
    [`http_req_duration{name:${NAMES.rawGet}}`]: latency(limits),
    [`http_req_duration{name:${NAMES.rawPut}}`]: latency(limits),
    [`http_req_duration{name:${NAMES.rawDelete}}`]: latency(limits),
  },
}

const staleReads = new Counter('stale_reads')
const lostWrites = new Counter('lost_writes')
const wrongAnswers = new Counter('wrong_answers')
const readsFailed = new Rate('reads_failed')
const writesFailed = new Rate('writes_failed')
const writesRefused = new Rate('writes_refused')
const writesUnknown = new Rate('writes_unknown')

export function setup() {
  // A threshold on a metric without a sample would hold because it is not looked at.
  for (const counter of [staleReads, lostWrites, wrongAnswers]) {
    counter.add(0)
  }
  return keyspace()
}

export const teardown = clear
export const handleSummary = summary('faults', ({ writes_refused, writes_unknown }) => [
  `${percent(writes_refused)} % of the writes were refused, the outcome of ${percent(writes_unknown)} % was not told.`,
])

/** @param {{ values: Record<string, number> } | undefined} rate */
const percent = (rate) => ((rate?.values.rate ?? 0) * 100).toFixed(2)

/** @type {Register[]} */
const registers = []
let messages = 0

/** @param {Keyspace} space */
export default function faults(space) {
  while (registers.length < KEYS_EACH) {
    registers.push(
      new Register(`${space.prefix}client-${exec.vu.idInTest}/key-${registers.length}`),
    )
  }
  const register = registers[exec.vu.iterationInInstance % KEYS_EACH]
  if (register === undefined) {
    return
  }
  if (exec.scenario.progress < WRITING) {
    write(register)
  }
  for (let n = 0; n < READS_AFTER; n++) {
    read(register)
  }
  sleep((PAUSE_MS * 2 * Math.random()) / 1000)
}

/**
 * One write, and reads at the same time, so that what they fetch competes with it for the caches.
 * @param {Register} register
 */
function write(register) {
  const { key, known, expected } = register
  if (known === null) {
    return // What is there has to be read first.
  }
  const creates = known.value === null
  const value = !creates && Math.random() * 100 < DELETE_PERCENT ? null : register.nextValue()
  /** @type {Record<string, string>} */
  const condition = creates ? { 'If-None-Match': '*' } : { 'If-Match': known.version }
  const request = value === null ? rawDelete(key, condition) : rawPut(key, value, condition)
  const reads = Array.from({ length: READS_DURING }, () => rawGet(key))
  const [answer, ...during] = http.batch([request, ...reads])
  if (answer === undefined) {
    return
  }
  const outcome = register.wrote(value, answer)
  writesFailed.add(outcome !== 'acknowledged')
  writesRefused.add(outcome === 'refused')
  writesUnknown.add(outcome === 'unknown')

  const allowed = outcome === 'refused' ? expected : [...expected, value]
  for (const found of during) {
    readsFailed.add(!isAnswered(found))
    if (isAnswered(found)) {
      check(found, {
        'a read during a write finds what was there before or after it': () =>
          allowed.includes(stateOf(found).value) || broken(wrongAnswers, key, allowed, found),
      })
    }
  }

  if (outcome === 'wrong') {
    broken(wrongAnswers, key, allowed, answer)
    register.renew()
  } else if (register.expected.length === 0) {
    // A conflict, although nothing else can have been written: what was acknowledged is not there.
    broken(lostWrites, key, expected, answer)
    register.renew()
  } else if (outcome === 'unknown' && creates) {
    // It might be done much later, when the key has been created by another write and deleted again.
    register.renew()
  }
}

/** @param {Register} register */
function read(register) {
  const answer = send(rawGet(register.key))
  readsFailed.add(!isAnswered(answer))
  if (isAnswered(answer)) {
    check(answer, {
      'a read after a write finds what was acknowledged': () =>
        register.found(answer) || isLateOrLost(register, answer),
    })
  } else {
    check(answer, {
      'a read without an answer is a 503 or 504': ({ status }) => UNAVAILABLE.includes(status),
    })
  }
}

/**
 * A stale read is followed by right ones; if the write is lost, none comes.
 * @param {Register} register
 * @param {Answer} answer
 */
function isLateOrLost(register, answer) {
  const { key, expected } = register
  for (let look = 0; look < SECOND_LOOKS; look++) {
    sleep(0.1)
    const again = send(rawGet(key))
    if (isAnswered(again) && register.found(again)) {
      return broken(staleReads, key, expected, answer)
    }
  }
  register.renew()
  return broken(lostWrites, key, expected, answer)
}

/**
 * Counts a broken promise.
 * @param {Counter} promise
 * @param {string} key
 * @param {import('./shared/register.js').Value[]} expected
 * @param {Answer} answer
 */
function broken(promise, key, expected, answer) {
  promise.add(1)
  messages += 1
  if (messages > MAX_MESSAGES) {
    return false
  }
  const found = isAnswered(answer) ? (stateOf(answer).value ?? 'nothing') : problem(answer)
  const allowed = expected.map((value) => value ?? 'nothing').join(' or ')
  console.error(`${promise.name}: ${key} has ${allowed}, but the answer was: ${found}`)
  return false
}
