import type { components } from '@/api/schema'

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
  histories: readonly ServerHistory[],
  isLive: (server: ServerHistory) => boolean,
): Point[] {
  const servers = histories.filter(({ samples }) => samples.length > 0)
  const [first] = servers
  if (!first) return []
  const step = first.intervalMs
  if (servers.length === 1) {
    return first.samples.map((sample) => point(Date.parse(sample.at), [sample], step))
  }
  const live = servers.filter(isLive)
  const lines = servers.map(({ samples }) => new Line(samples, step))
  const until = Math.min(...(live.length > 0 ? live : servers).map(end))
  const from = Math.max(Math.min(...lines.map(({ begin }) => begin)), until - MAX_SAMPLES * step)
  const points: Point[] = []
  for (let time = until - Math.floor((until - from) / step) * step; time <= until; time += step) {
    points.push(point(time, lines.map((line) => line.at(time)).filter(isThere), step))
  }
  return points
}

const isThere = (sample: Sample | undefined) => sample !== undefined

/** The samples of a server, looked through from the oldest on. */
class Line {
  private next = 0
  private readonly ends: number[]

  constructor(
    private readonly samples: readonly Sample[],
    private readonly step: number,
  ) {
    this.ends = samples.map(({ at }) => Date.parse(at))
  }

  get begin(): number {
    return this.ends[0] ?? Infinity
  }

  /** The sample whose interval this time is in. Intervals follow each other, but may be a little longer than said. */
  at(time: number): Sample | undefined {
    while ((this.ends[this.next] ?? Infinity) < time) this.next += 1
    const longest = this.next > 0 ? this.step * 1.5 : this.step
    return (this.ends[this.next] ?? Infinity) - time < longest ? this.samples[this.next] : undefined
  }
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
