// Does it bear what is expected of it? A steady rate of an application's mixture of requests.
import { clear, filledKeyspace } from './shared/keyspace.js'
import { NAMES } from './shared/kverse.js'
import { anyOperation } from './shared/mix.js'
import { duration, number } from './shared/settings.js'
import { raised } from './shared/shapes.js'
import { summary } from './shared/summary.js'
import { COMMON, thresholds } from './shared/thresholds.js'

export const options = {
  ...COMMON,
  scenarios: {
    load: raised(
      number('RATE', 300, 1, 100_000),
      duration('DURATION', '3m'),
      number('VUS', 100, 1, 10_000),
    ),
  },
  thresholds: {
    ...thresholds([NAMES.put, NAMES.get, NAMES.delete], { p95: 50, p99: 200, failed: 0.001 }),
    // Less than was asked for is not the load that was to be borne.
    dropped_iterations: ['count<1'],
  },
}

export const setup = filledKeyspace
export const teardown = clear
export const handleSummary = summary('load')
export default anyOperation
