import { computed } from 'vue'
import { useI18n } from 'vue-i18n'

import { unitFormat } from '@/i18n/unitFormat'

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const

/** Numbers, sizes and times as people of the language write them. */
export function useFormat() {
  const { locale } = useI18n()
  const formats = computed(() => ({
    number: new Intl.NumberFormat(locale.value),
    time: new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeStyle: 'medium' }),
    clock: new Intl.DateTimeFormat(locale.value, { timeStyle: 'medium' }),
    percent: new Intl.NumberFormat(locale.value, { style: 'percent', maximumFractionDigits: 1 }),
  }))

  /** Bytes in units of 1024, as the limits of the service are. */
  function bytes(count: number): string {
    let unit = 0
    let amount = count
    while (amount >= 1024 && unit < UNITS.length - 1) {
      amount /= 1024
      unit += 1
    }
    const display = unit === 0 ? 'long' : 'short'
    const digits = amount < 10 && unit > 0 ? 1 : 0
    return unitFormat(locale.value, UNITS[unit] ?? 'byte', display, digits).format(amount)
  }

  /** A duration, with as many digits as matter. */
  function duration(ms: number): string {
    return new Intl.NumberFormat(locale.value, {
      style: 'unit',
      unit: ms < 1000 ? 'millisecond' : 'second',
      maximumSignificantDigits: 3,
    }).format(ms < 1000 ? ms : ms / 1000)
  }

  /** How many a second: small ones with a fraction. */
  function rate(value: number): string {
    const maximumFractionDigits = value < 10 ? 1 : 0
    return new Intl.NumberFormat(locale.value, { maximumFractionDigits }).format(value)
  }

  const percent = (value: number) => formats.value.percent.format(value)
  const number = (value: number) => formats.value.number.format(value)
  const time = (value: Date | string | number) => formats.value.time.format(new Date(value))
  const clock = (value: Date | string | number) => formats.value.clock.format(new Date(value))

  return { bytes, number, percent, rate, duration, time, clock }
}
