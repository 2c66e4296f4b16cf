/** Times to live as the service takes them, offered by name. */
export const TTL_PRESETS = ['none', '1m', '1h', '1d', '7d'] as const

const UNITS_MS = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
const MAX_MS = 100 * 365 * 86_400_000
const PART = /(\d+)(ms|min|s|m|h|d|w)/g

/** How long that is, or `undefined` for what the service would refuse. Seconds, or a duration such as `1h30m`. */
export function parseTtl(text: string): number | undefined {
  const compact = text.replace(/\s+/g, '')
  let total = 0
  if (/^\d+$/.test(compact)) total = Number(compact) * 1000
  else if (compact === '' || compact.replace(PART, '') !== '') return undefined
  for (const [, count, unit] of compact.matchAll(PART)) {
    total += Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS]
  }
  return total > 0 && total <= MAX_MS ? total : undefined
}

/** What is left until then, for a write. */
export function ttlUntil(time: number | undefined, now: number): string {
  return time === undefined ? 'none' : `${Math.max(1, time - now)}ms`
}
