import { useI18n } from 'vue-i18n'

import { unitFormat } from '@/i18n/unitFormat'

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const

/** How long something still lives, in its two largest units: `3d 4h`, `59s`. */
export function useTimeLeft() {
  const { locale } = useI18n()

  return (milliseconds: number): string => {
    const all = Math.max(0, Math.ceil(milliseconds / 1000))
    const first = UNITS.findIndex(([, seconds]) => all >= seconds)
    let rest = all
    return UNITS.slice(first, first < 0 ? undefined : first + 2)
      .map(([unit, seconds]) => {
        const amount = Math.floor(rest / seconds)
        rest -= amount * seconds
        return unitFormat(locale.value, unit, 'narrow').format(amount)
      })
      .join(' ')
  }
}
