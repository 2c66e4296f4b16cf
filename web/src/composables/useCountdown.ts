import { useNow } from '@vueuse/core'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'
import { useI18n } from 'vue-i18n'

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const

/** How long until a time, in its two largest units, as the clock runs. */
export function useCountdown(until: MaybeRefOrGetter<number | undefined>) {
  const { locale } = useI18n()
  const now = useNow({ interval: 1000 })

  /** In whole seconds; not negative. */
  const remaining = computed(() => {
    const time = toValue(until)
    return time === undefined
      ? undefined
      : Math.max(0, Math.ceil((time - Number(now.value)) / 1000))
  })
  const text = computed(() => {
    let rest = remaining.value ?? 0
    const parts = UNITS.map(([unit, seconds]) => {
      const count = Math.floor(rest / seconds)
      rest -= count * seconds
      return { unit, count }
    })
    const first = parts.findIndex(({ count }) => count > 0)
    return parts
      .slice(...(first < 0 ? [-1] : [first, first + 2]))
      .map(({ unit, count }) => format(locale.value, unit, count))
      .join(' ')
  })

  return { remaining, text, now }
}

function format(locale: string, unit: string, count: number): string {
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short' }).format(count)
}
