// A key that one client alone writes, so that the client knows what a read of it may find: what was last acknowledged, or
// what a later write left behind whose outcome nobody knows.
//
// Every write has a value of its own, and a precondition that names what was there before. So a write that is delayed by a
// fault cannot be done any more when a later one has been acknowledged.

/** @typedef {import('./kverse.js').Answer} Answer */
/** @typedef {string | null} Value null: the key is not there */
/** @typedef {{ value: Value, version: string }} State */
/** @typedef {'acknowledged' | 'refused' | 'unknown' | 'conflict' | 'wrong'} Outcome */

/** @type {State} */
const NOTHING = Object.freeze({ value: null, version: '' })

/** @param {Answer} answer */
export const isAnswered = ({ status }) => status === 200 || status === 404

/**
 * What a read found.
 * @param {Answer} answer
 * @returns {State}
 */
export function stateOf({ status, body, headers }) {
  return status === 404 ? NOTHING : { value: body, version: headers.Etag ?? '' }
}

/**
 * What the status of a write says, by KVerse's contract. 503 and 429: nothing was stored. 504, and no answer at all: it may
 * or may not have been stored.
 * @param {Answer} answer
 * @returns {Outcome}
 */
function outcomeOf({ status }) {
  switch (status) {
    case 200:
    case 201:
    case 204:
      return 'acknowledged'
    case 429:
    case 503:
      return 'refused'
    case 0:
    case 504:
      return 'unknown'
    // Another write was done than the one that is known of.
    case 404:
    case 412:
      return 'conflict'
    default:
      return 'wrong'
  }
}

export class Register {
  generation = 1
  writes = 0
  /**
   * What was acknowledged or read last; null if it is known to have been replaced.
   * @type {State | null}
   */
  known = NOTHING
  /**
   * What writes after that may have left behind, or may still.
   * @type {Value[]}
   */
  possible = []

  /** @param {string} name keys are this and a number */
  constructor(name) {
    this.name = name
  }

  get key() {
    return `${this.name}-${this.generation}`
  }

  /** What a read may find. */
  get expected() {
    return this.known === null ? this.possible : [this.known.value, ...this.possible]
  }

  /** Goes on with a new key, for when nobody can say what will become of this one. */
  renew() {
    this.generation += 1
    this.known = NOTHING
    this.possible = []
  }

  nextValue() {
    this.writes += 1
    return `${this.key}#${this.writes}`
  }

  /**
   * Takes note of the answer to a write.
   * @param {Value} value what it stores
   * @param {Answer} answer
   */
  wrote(value, answer) {
    const outcome = outcomeOf(answer)
    if (outcome === 'acknowledged') {
      this.known = { value, version: answer.headers.Etag ?? '' }
      this.possible = []
    } else if (outcome === 'unknown') {
      this.possible.push(value)
    } else if (outcome === 'conflict') {
      this.known = null
    }
    return outcome
  }

  /**
   * Compares what a read found. A value that was only possible is known from then on: later reads must find it, too.
   * @param {Answer} answer
   */
  found(answer) {
    const state = stateOf(answer)
    if (state.value === this.known?.value) {
      return true
    }
    if (!this.possible.includes(state.value)) {
      return false
    }
    this.known = state
    this.possible = []
    return true
  }
}
