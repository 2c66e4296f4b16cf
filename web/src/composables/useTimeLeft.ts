import { computed } from 'vue'
import { useI18n } from 'vue-i18n'

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const

/** How long something still lives, in its two largest units: `3d 4h`, `59s`. */
export function useTimeLeft() {
  const { locale } = useI18n()
  const formats = computed(() =>
    UNITS.map(([unit, seconds]) => ({
      seconds,
      format: new Intl.NumberFormat(locale.value, { style: 'unit', unit, unitDisplay: 'narrow' }),
    })),
  )

  return (milliseconds: number): string => {
    let rest = Math.max(0, Math.ceil(milliseconds / 1000))
    const parts: string[] = []
    for (const { seconds, format } of formats.value) {
      const amount = Math.floor(rest / seconds)
      if (amount > 0 || (seconds === 1 && parts.length === 0)) parts.push(format.format(amount))
      // `1d 5m` would be more exact than it looks.
      else if (parts.length > 0) break
      if (parts.length === 2) break
      rest -= amount * seconds
    }
    return parts.join(' ')
  }
}
