import type UPlot from 'uplot'

export interface Series {
  label: string
  values: (number | null)[]
}

interface ChartOptions {
  /** How many series there are. */
  count: number
  format: (value: number) => string
  /** Where the scale ends if the values are lower. */
  top: number
  locale: string
  /** Told what the pointer is at. */
  point: (index: number | null | undefined) => void
}

/** What is shown at least, so that a server that has just started does not look as if it moved fast. */
const MIN_SECONDS = 5 * 60
const FONT = '12px "Inter Variable", system-ui, sans-serif'

/** A variable of the theme, as it is when it is drawn. */
const colour = (name: string) => () =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** How the charts look and behave: one pointer for all, no zoom, zero at the bottom. */
export function chartOptions({ count, format, top, locale, point }: ChartOptions) {
  const minutes = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' })
  const axis = {
    font: FONT,
    stroke: colour('--bs-secondary-color'),
    grid: { stroke: colour('--bs-border-color'), width: 1 },
    ticks: { show: false },
  }
  return {
    legend: { show: false },
    cursor: { sync: { key: 'status' }, drag: { x: false, y: false }, y: false },
    scales: {
      x: { range: (_chart, from, to) => [Math.min(from, to - MIN_SECONDS), to] },
      y: { range: (_chart, _low, high) => [0, Math.max(high, top) * 1.05] },
    },
    axes: [
      {
        ...axis,
        values: (_chart, times) => times.map((time) => minutes.format(time * 1000)),
        incrs: [60, 120, 300],
        space: 70,
        size: 28,
      },
      { ...axis, values: (_chart, values) => values.map(format), size: 64, space: 40 },
    ],
    series: [
      {},
      ...Array.from({ length: count }, (_, i) => ({
        stroke: colour(`--chart-${i + 1}`),
        width: 2,
        points: { show: false },
      })),
    ],
    hooks: { setCursor: [(chart) => point(chart.cursor.idx)] },
  } satisfies Omit<UPlot.Options, 'width' | 'height'>
}
