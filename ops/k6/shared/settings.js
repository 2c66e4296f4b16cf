// What the environment says. Every number has bounds, so that a slip does not become a load that nobody meant.

/**
 * @param {string} name
 * @param {number} fallback
 * @param {number} least
 * @param {number} most
 */
export function number(name, fallback, least, most) {
  const text = __ENV[name]
  if (text === undefined || text === '') {
    return fallback
  }
  const value = Number(text)
  if (!(value >= least && value <= most)) {
    throw new Error(`${name} is '${text}': it takes a number from ${least} to ${most}`)
  }
  return value
}

/**
 * A time as k6 takes it, such as `90s` or `1h30m`.
 * @param {string} name
 * @param {string} fallback
 */
export function duration(name, fallback) {
  const text = __ENV[name] || fallback
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    throw new Error(`${name} is '${text}': it takes a time such as 90s, 10m or 1h30m`)
  }
  return text
}

/**
 * In seconds.
 * @param {string} time as `duration` returns it
 */
export function seconds(time) {
  const units = { ms: 0.001, s: 1, m: 60, h: 3600 }
  let sum = 0
  for (const [, count, unit] of time.matchAll(/([\d.]+)(ms|s|m|h)/g)) {
    sum += Number(count) * units[/** @type {keyof units} */ (unit)]
  }
  return sum
}

export const BASE_URL = (__ENV.BASE_URL || 'http://127.0.0.1:8082').replace(/\/+$/, '')
/** An access token that may read, write, delete and list below PREFIX. */
export const TOKEN = __ENV.TOKEN || ''
/** A run keeps its keys below this and a name of its own, and deletes them at its end. */
export const PREFIX = __ENV.PREFIX || 'loadtest/'
/** Where summary.json and summary.txt go; nowhere if it is not said. */
export const RESULTS = __ENV.RESULTS || ''

export const VALUE_BYTES = number('VALUE_BYTES', 100, 1, 1 << 20)
export const KEYS = number('KEYS', 1000, 1, 1_000_000)
