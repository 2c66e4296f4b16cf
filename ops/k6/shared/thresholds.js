// What a run has to keep to, unless the environment says otherwise.
import { number } from './settings.js'

/** @typedef {import('k6/options').Threshold[]} Thresholds */

/** A proxy that limits the rate of an address would be what is measured. */
export const NO_RATE_LIMIT = Object.freeze({
  'http_reqs{status:429}': /** @type {Thresholds} */ (['count<1']),
})

/** @typedef {{ p95: number, p99: number, failed: number }} Limits milliseconds, and a part of 1 */

/**
 * Of the time that one kind of request takes.
 * @param {Limits} limits
 * @returns {Thresholds}
 */
export function latency(limits) {
  const p95 = number('P95_MS', limits.p95, 1, 60_000)
  const p99 = number('P99_MS', limits.p99, 1, 60_000)
  return [`p(95)<=${p95}`, `p(99)<=${p99}`]
}

/**
 * Latency of each of these requests, the rate of failed ones, and of checks that hold.
 * @param {readonly string[]} names
 * @param {Limits} limits
 */
export function thresholds(names, limits) {
  const failed = number('MAX_FAILED', limits.failed, 0, 1)
  return {
    ...Object.fromEntries(
      names.map((name) => [`http_req_duration{name:${name}}`, latency(limits)]),
    ),
    http_req_failed: /** @type {Thresholds} */ ([`rate<=${failed}`]),
    ...NO_RATE_LIMIT,
    checks: /** @type {Thresholds} */ ([`rate>=${1 - failed}`]),
  }
}

/** What every script's options have beside thresholds: no tag holds a key. */
export const COMMON = Object.freeze({
  // For a million keys.
  setupTimeout: '15m',
  teardownTimeout: '15m',
  summaryTrendStats: ['count', 'avg', 'min', 'med', 'p(95)', 'p(99)', 'max'],
  systemTags: /** @type {import('k6/options').Options['systemTags']} */ ([
    'check',
    'error_code',
    'expected_response',
    'method',
    'name',
    'scenario',
    'status',
  ]),
})
