import type UPlot from 'uplot'

export interface Series {
  label: string
  values: (number | null)[]
}

interface ChartOptions {
  /** How many series there are. */
  count: number
  format: (value: number) => string
  max?: number
  locale: string
  /** Told what the pointer is at. */
  point: (index: number | null | undefined) => void
}

const FONT = '12px "Inter Variable", system-ui, sans-serif'

/** A variable of the theme, as it is when it is drawn. */
const colour = (name: string) => () =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** How the charts look and behave: one pointer for all, no zoom, zero at the bottom. */
export function chartOptions({ count, format, max, locale, point }: ChartOptions) {
  const minutes = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' })
  const axis = {
    font: FONT,
    stroke: colour('--bs-secondary-color'),
    grid: { stroke: colour('--bs-border-color'), width: 1 },
    ticks: { show: false },
  }
  return {
    legend: { show: false },
    cursor: { sync: { key: 'status' }, drag: { x: false, y: false }, y: false },
    scales: { y: { range: (_chart, _low, high) => [0, max ?? (high > 0 ? high * 1.1 : 1)] } },
    axes: [
      {
        ...axis,
        values: (_chart, times) => times.map((time) => minutes.format(time * 1000)),
        space: 70,
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
