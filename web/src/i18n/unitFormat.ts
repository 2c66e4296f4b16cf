type Display = Intl.NumberFormatOptions['unitDisplay']

// Making one takes long, for a list with hundreds of sizes and times.
const formats = new Map<string, Intl.NumberFormat>()

/** How a language writes amounts of a unit. */
export function unitFormat(
  locale: string,
  unit: string,
  unitDisplay: Display,
  maximumFractionDigits = 0,
): Intl.NumberFormat {
  const name = [locale, unit, unitDisplay, maximumFractionDigits].join()
  const known = formats.get(name)
  if (known) return known
  const options = { style: 'unit', unit, unitDisplay, maximumFractionDigits } as const
  const made = new Intl.NumberFormat(locale, options)
  formats.set(name, made)
  return made
}
