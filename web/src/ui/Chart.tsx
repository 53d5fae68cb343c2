// The chart of one series over the very window of a piece of evidence, with what was normal.
import { useQuery } from '@tanstack/react-query'
import { useId } from 'react'
import { api, asked } from '../api/client'
import type { SeriesPoints } from '../api/types'
import { useWords } from '../i18n'
import { clock, metricValue } from './format'
import { Nothing } from './parts'

// Units of the picture: what fits a phone with letters that can be read, and what fits a card.
const [NARROW, WIDE] = [330, 560]
const PHONE_PX = 760
const HEIGHT = 130
const LEFT = 58
const BOTTOM = 18
const TOP = 8

export interface ChartOf {
  service: string
  metric: string
  since: string
  until: string
  bound?: number
  onset?: string
}

export function SeriesChart(of: ChartOf) {
  const { t, name, language } = useWords()
  const title = useId()
  const width = window.innerWidth < PHONE_PX ? NARROW : WIDE
  const query = { service: of.service, metric: of.metric, since: of.since, until: of.until }
  const { data } = useQuery({
    queryKey: ['series', query],
    queryFn: () => asked<SeriesPoints>(api.GET('/api/v1/series', { params: { query } })),
    placeholderData: (old) => old,
  })
  const points = (data?.points ?? []) as [number, number][]
  if (data && points.length < 2) return <Nothing>{t('chart.none')}</Nothing>
  const [from, to] = [Date.parse(of.since), Date.parse(of.until)]
  const top = Math.max(...points.map(([, value]) => value), of.bound ?? 0, 1e-9) * 1.08
  const x = (at: number) => LEFT + ((at - from) / Math.max(1, to - from)) * (width - LEFT - 6)
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM)
  const line = points.map(([at, value], i) => `${i ? 'L' : 'M'}${x(at).toFixed(1)},${y(value).toFixed(1)}`).join('')
  const onset = of.onset ? Date.parse(of.onset) : null
  const bound = of.bound
  const last = points.at(-1)
  const normal = bound === undefined ? '' : t(of.metric === 'up' ? 'chart.below' : 'chart.normal', { value: metricValue(of.metric, bound) })
  return (
    <figure className="chart">
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-labelledby={title}>
        <title id={title}>
          {`${of.service} ${name('metric', of.metric)}${last ? `: ${metricValue(of.metric, last[1])}` : ''}${normal ? `, ${normal}` : ''}`}
        </title>
        {[0, top / 2, top].map((value) => (
          <g key={value}>
            <line className="grid" x1={LEFT} x2={width - 6} y1={y(value)} y2={y(value)} />
            <text className="tick" x={LEFT - 6} y={y(value) + 4} textAnchor="end">
              {metricValue(of.metric, value)}
            </text>
          </g>
        ))}
        {bound !== undefined && <line className="bound" x1={LEFT} x2={width - 6} y1={y(bound)} y2={y(bound)} />}
        {onset !== null && onset >= from && onset <= to && (
          <g>
            <line className="onset" x1={x(onset)} x2={x(onset)} y1={TOP} y2={HEIGHT - BOTTOM} />
            <text className="tick" x={x(onset) + 4} y={TOP + 9}>
              {t('chart.onset')}
            </text>
          </g>
        )}
        <path className="line" d={line} />
        <text className="tick" x={LEFT} y={HEIGHT - 4}>
          {clock(new Date(from), language)}
        </text>
        <text className="tick" x={width - 6} y={HEIGHT - 4} textAnchor="end">
          {clock(new Date(to), language)}
        </text>
      </svg>
      <figcaption>
        <strong>{name('metric', of.metric)}</strong> {of.service}
        {normal && ` · ${normal}`}
      </figcaption>
    </figure>
  )
}
