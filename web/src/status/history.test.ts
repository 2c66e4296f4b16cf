import { expect, test } from 'vitest'

import { append, combine, type Sample, type ServerHistory } from './history'

const START = Date.parse('2026-01-01T00:00:00.000Z')
const at = (seconds: number) => new Date(START + seconds * 1000).toISOString().replace('Z', '000Z')

function sample(seconds: number, values: Partial<Sample> = {}): Sample {
  return {
    at: at(seconds),
    requests: 10,
    errors: 0,
    rejected: 0,
    p50_ms: 1,
    p95_ms: 2,
    p99_ms: 3,
    cache_hits: 3,
    cache_misses: 1,
    items: null,
    in_flight: 0,
    connections: 2,
    ...values,
  }
}

const history = (server: string, samples: Sample[]): ServerHistory => ({
  server,
  intervalMs: 5000,
  cache: 'local',
  samples,
  complete: true,
  heardAt: 0,
})
const live = () => true

test('counts become rates, and what was not measured stays unknown', () => {
  const quiet = {
    requests: 0,
    p50_ms: null,
    p95_ms: null,
    p99_ms: null,
    cache_hits: 0,
    cache_misses: 0,
  }
  const points = combine([history('a', [sample(5), sample(10, { ...quiet, items: 7 })])], live)
  expect(points).toMatchObject([
    { at: START + 5000, requests: 2, p95: 2, hits: 0.75, items: null, connections: 2 },
    { at: START + 10_000, requests: 0, p95: null, hits: null, items: 7 },
  ])
})

test('servers are added up as far as all of them have told; percentiles are those of the worst', () => {
  const points = combine(
    [
      history(
        'a',
        [5, 10, 15, 20, 25, 30].map((end) => sample(end)),
      ),
      history('b', [
        sample(20, { p99_ms: 50, items: 4 }),
        sample(25.1, { p99_ms: null, items: 5 }),
      ]),
    ],
    live,
  )
  expect(points.map(({ requests }) => requests)).toEqual([2, 2, 4, 4, 4])
  expect(points.map(({ p99 }) => p99)).toEqual([3, 3, 50, 3, 3])
  expect(points.map(({ items }) => items)).toEqual([null, null, 4, 5, 5])
  expect(points.at(-1)?.at).toBe(START + 25_100)
})

test('a server that is gone does not hold the others back, and what it did stays', () => {
  const gone = history('gone', [sample(5), sample(10)])
  const points = combine(
    [gone, history('a', [sample(10), sample(15), sample(20)])],
    (one) => one !== gone,
  )
  expect(points.map(({ requests }) => requests)).toEqual([2, 4, 2, 2])
})

test('without a sample there is nothing to show', () => {
  expect(combine([], live)).toEqual([])
  expect(combine([history('a', [])], live)).toEqual([])
  expect(combine([history('a', []), history('b', [sample(5)])], live)).toHaveLength(1)
  expect(combine([history('a', []), history('b', [])], live)).toEqual([])
})

test('samples are added once, and the oldest are dropped', () => {
  const before = Array.from({ length: 180 }, (_, i) => sample(i * 5))
  const after = append(before, [sample(179 * 5), sample(180 * 5)])
  expect(after).toHaveLength(180)
  expect(after[0]?.at).toBe(at(5))
  expect(after.at(-1)?.at).toBe(at(900))
})
