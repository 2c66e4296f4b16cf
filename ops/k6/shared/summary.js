// What a run ends with: a page for people, on the terminal and in summary.txt, and all figures in summary.json.
import { BASE_URL, RESULTS } from './settings.js'

/**
 * As k6 gives it to `handleSummary`.
 * @typedef {{
 *   metrics: Record<string, { values: Record<string, number>, thresholds?: Record<string, { ok: boolean }> }>,
 *   root_group: { checks: { name: string, passes: number, fails: number }[] },
 *   state: { testRunDurationMs: number },
 * }} Data
 */

/** @param {number | undefined} value */
const shown = (value) => (value === undefined ? '-' : value.toFixed(2))

/** @param {(string | number)[]} cells the first is a name */
const row = ([name, ...figures]) =>
  `  ${String(name).padEnd(24)}${figures.map((figure) => String(figure).padStart(10)).join('')}`

/** @param {Data} data */
function latencies({ metrics }) {
  const head = row(['request', 'count', 'p50 ms', 'p95 ms', 'p99 ms', 'max ms'])
  const rows = []
  for (const [metric, { values }] of Object.entries(metrics)) {
    const name = /^http_req_duration\{(?:name:)?(.*)\}$/.exec(metric)?.[1]
    if (name && name !== 'expected_response:true' && values.count) {
      const figures = ['med', 'p(95)', 'p(99)', 'max'].map((stat) => shown(values[stat]))
      rows.push(row([name, values.count, ...figures]))
    }
  }
  return rows.length > 0 ? ['', head, ...rows.sort()] : []
}

/**
 * What there was nothing of has not been judged.
 * @param {boolean} ok
 * @param {Record<string, number>} values
 */
function judged(ok, { count, med, passes, fails }) {
  const none = (count === 0 && med !== undefined) || (passes === 0 && fails === 0)
  return (ok ? (none ? '-' : 'ok') : 'FAILED').padEnd(6)
}

/** @param {Data} data */
function verdicts({ metrics }) {
  const rows = []
  for (const [metric, { thresholds, values }] of Object.entries(metrics)) {
    for (const [threshold, { ok }] of Object.entries(thresholds ?? {})) {
      const stat = /^[^<>=!\s]+/.exec(threshold)?.[0] ?? ''
      const actual = values[stat]
      const was = actual === undefined ? '' : ` (was ${Number(actual.toFixed(4))})`
      rows.push(`  ${judged(ok, values)}  ${metric}: ${threshold}${was}`)
    }
  }
  return ['', 'Thresholds', ...rows.sort()]
}

/** @param {Data} data */
function failedChecks({ root_group: { checks } }) {
  const failed = checks.filter(({ fails }) => fails > 0)
  const rows = failed.map(
    ({ name, passes, fails }) => `  ${name}: ${fails} of ${passes + fails} times`,
  )
  return rows.length > 0 ? ['', 'Checks that did not hold', ...rows] : []
}

/**
 * Makes a script's `handleSummary`.
 * @param {string} title
 * @param {(metrics: Data['metrics']) => string[]} [remarks] lines of its own
 */
export function summary(title, remarks) {
  /** @param {Data} data */
  return (data) => {
    const { metrics, state } = data
    const requests = metrics.http_reqs?.values
    const failed = metrics.http_req_failed?.values.rate
    const text = [
      `${title}: ${(state.testRunDurationMs / 1000).toFixed(1)} s at ${BASE_URL}`,
      `${requests?.count ?? 0} requests, ${shown(requests?.rate)} a second; ${shown((failed ?? 0) * 100)} % failed`,
      ...(remarks?.(metrics) ?? []),
      ...latencies(data),
      ...verdicts(data),
      ...failedChecks(data),
      '',
    ].join('\n')
    /** @type {Record<string, string>} */
    const files = { stdout: `\n${text}` }
    if (RESULTS) {
      files[`${RESULTS}/summary.txt`] = text
      files[`${RESULTS}/summary.json`] = JSON.stringify(data, null, 2)
    }
    return files
  }
}
