import type { components } from './schema'

export type Sample = components['schemas']['HistorySample']

/** What is known of one server. */
export interface ServerHistory {
  server: string
  intervalMs: number
  cache: components['schemas']['CacheState']['mode']
  /** Oldest first. */
  samples: Sample[]
  /** Whether the samples begin where the server's do. */
  complete: boolean
  /** When it answered last, by our clock. */
  heardAt: number
}

/** A time at which something was measured, of one server or of several together. Rates are per second. */
export interface Point {
  at: number
  requests: number
  errors: number
  rejected: number
  p50: number | null
  p95: number | null
  p99: number | null
  /** The part of the reads that the cache answered, 0 to 1. */
  hits: number | null
  items: number | null
  connections: number
}

/** As many samples as the service keeps: 15 minutes. */
const MAX_SAMPLES = 180

/** The time of the last sample of this server. */
export function end({ samples }: ServerHistory): number {
  const last = samples.at(-1)
  return last ? Date.parse(last.at) : 0
}

/** The samples of before with those that came after them. */
export function append(before: readonly Sample[], added: readonly Sample[]): Sample[] {
  const last = before.at(-1)?.at ?? ''
  return [...before, ...added.filter(({ at }) => at > last)].slice(-MAX_SAMPLES)
}

/**
 * Several servers as one: counts are added, percentiles are those of the worst. It ends where the first of the servers
 * that still answer ends, so that the last points do not jump when the next one answers.
 */
export function combine(
  servers: readonly ServerHistory[],
  isLive: (server: ServerHistory) => boolean,
) {
  const [first] = servers
  if (!first) return []
  if (servers.length === 1)
    return first.samples.map((one) => point(Date.parse(one.at), [one], first.intervalMs))
  const live = servers.filter((one) => isLive(one) && one.samples.length > 0)
  const until = Math.min(...(live.length > 0 ? live : servers).map(end))
  const step = first.intervalMs
  const times = servers.map(({ samples }) => samples.map(({ at }) => Date.parse(at)))
  const next = servers.map(() => 0)
  const points: Point[] = []
  const from = Math.max(
    Math.min(...times.map(([first = until]) => first)),
    until - (MAX_SAMPLES - 1) * step,
  )
  for (let time = until - Math.floor((until - from) / step) * step; time <= until; time += step) {
    const found = servers.flatMap(({ samples }, i) => {
      const ends = times[i] ?? []
      while ((ends[next[i] ?? 0] ?? Infinity) < time) next[i] = (next[i] ?? 0) + 1
      const index = next[i] ?? 0
      const sample = samples[index]
      // The interval that this time is in; intervals may be a little longer than they should be.
      return sample && (ends[index] ?? 0) - time < step * 1.5 ? [sample] : []
    })
    points.push(point(time, found, step))
  }
  return points
}

function point(at: number, samples: readonly Sample[], intervalMs: number): Point {
  const sum = (count: (sample: Sample) => number) =>
    samples.reduce((sum, sample) => sum + count(sample), 0)
  const worst = (value: (sample: Sample) => number | null) => {
    const values = samples.map(value).filter((value) => value !== null)
    return values.length > 0 ? Math.max(...values) : null
  }
  const seconds = intervalMs / 1000
  const hits = sum((sample) => sample.cache_hits)
  const reads = hits + sum((sample) => sample.cache_misses)
  return {
    at,
    requests: sum((sample) => sample.requests) / seconds,
    errors: sum((sample) => sample.errors) / seconds,
    rejected: sum((sample) => sample.rejected) / seconds,
    p50: worst((sample) => sample.p50_ms),
    p95: worst((sample) => sample.p95_ms),
    p99: worst((sample) => sample.p99_ms),
    hits: reads > 0 ? hits / reads : null,
    // They all count the same keys.
    items: worst((sample) => sample.items),
    connections: sum((sample) => sample.connections),
  }
}
