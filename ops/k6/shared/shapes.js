// The shapes of load: who sends how much, and when.
import { seconds } from './settings.js'

/**
 * Clients that each send their next request when they have the answer to the last one.
 * @param {number} vus
 * @param {string} duration
 * @returns {import('k6/options').ConstantVUsScenario}
 */
export function users(vus, duration) {
  return { executor: 'constant-vus', vus, duration, gracefulStop: '15s' }
}

/**
 * So many iterations a second, however long answers take. An iteration that finds none of `vus` free is dropped.
 * @param {number} rate
 * @param {string} duration
 * @param {number} vus
 * @returns {import('k6/options').ConstantArrivalRateScenario}
 */
export function steady(rate, duration, vus) {
  return { executor: 'constant-arrival-rate', rate, duration, preAllocatedVUs: vus, maxVUs: vus }
}

/**
 * From `first` iterations a second to `last`, evenly.
 * @param {number} first
 * @param {number} last
 * @param {string} duration
 * @param {number} vus
 * @returns {import('k6/options').RampingArrivalRateScenario}
 */
export function rising(first, last, duration, vus) {
  return {
    executor: 'ramping-arrival-rate',
    startRate: first,
    timeUnit: '1s',
    stages: [{ target: last, duration }],
    preAllocatedVUs: vus,
    maxVUs: vus,
  }
}

/**
 * Up to `rate` iterations a second within a tenth of the time, then steady.
 * @param {number} rate
 * @param {string} duration
 * @param {number} vus
 * @returns {import('k6/options').RampingArrivalRateScenario}
 */
export function raised(rate, duration, vus) {
  const whole = Math.round(seconds(duration) * 1000)
  const start = Math.round(whole / 10)
  return {
    executor: 'ramping-arrival-rate',
    startRate: 1,
    timeUnit: '1s',
    stages: [
      { target: rate, duration: `${start}ms` },
      { target: rate, duration: `${whole - start}ms` },
    ],
    preAllocatedVUs: vus,
    maxVUs: vus,
  }
}
