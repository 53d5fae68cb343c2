// The service graph: callers first, what they call after them. Drag or scroll to move, buttons to zoom, a press on a
// service shows its neighbourhood. Of a big graph, what is in trouble and its neighbours are shown first.
import { memo, type PointerEvent, type RefObject, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import type { Graph as GraphData, GraphEdge, GraphNode } from '../api/types'
import { useWords } from '../i18n'
import type { MessageKey } from '../messages'
import { metricValue, percent } from './format'
import { HEIGHT, type Layout, type Line, layout, path, type Sizes } from './graph/layout'

const WIDTH = 190
const WIDTH_MIN = 130
const MARGIN = 12
// Pixels of the frame below which layers lie below each other: a phone, half a window.
const NARROW = 620
// Letters are read between these; what does not fit is scrolled to.
const SCALE = { min: 0.85, max: 1.1 }
const ZOOM = { min: 0.2, max: 3, step: 1.25 }
// More services than this are too many for one look.
const SHOWN_MAX = 60

export interface Marks {
  // Services that are affected, at risk or were changed, by what is known elsewhere.
  affected?: Set<string>
  atRisk?: Set<string>
  changed?: Set<string>
  // The way that a failure will probably take, from where it begins.
  path?: string[]
}

interface Props {
  graph: GraphData
  marks?: Marks
  label: string
}

const UNMARKED: Marks = {}

export function ServiceGraph({ graph, marks = UNMARKED, label }: Props) {
  const { t } = useWords()
  const frame = useRef<HTMLDivElement>(null)
  const room = useRoom(frame)
  const [focus, setFocus] = useState<string | null>(null)
  const [all, setAll] = useState(false)
  const [zoom, setZoom] = useState(1)
  const big = graph.nodes.length > SHOWN_MAX
  const shown = useMemo(() => (big && !all ? inTrouble(graph, marks, focus) : graph), [big, all, graph, marks, focus])
  const placing = usePlacing(shown, room)
  const near = useMemo(() => neighbourhood(graph.edges, focus), [graph.edges, focus])
  const drag = useDrag(frame)
  const { base, sizes, scale } = placing
  const size = { width: (base.width + 2 * MARGIN) * scale * zoom, height: (base.height + 2 * MARGIN) * scale * zoom }
  const { moved } = drag
  const press = useCallback((service: string) => !moved() && setFocus((old) => (old === service ? null : service)), [moved])
  const { traffic, stations } = useMemo(() => ({ traffic: trafficOf(shown), stations: new Map((marks.path ?? []).map((service, i) => [service, i + 1])) }), [shown, marks.path])
  const turn = (factor: number) => setZoom((now) => Math.min(ZOOM.max, Math.max(ZOOM.min, now * factor)))
  return (
    <div className="graph">
      {shown.nodes.length === 0 && <p className="legend">{t('graph.calm')}</p>}
      <div className="graph-frame" ref={frame} {...drag.handlers}>
        <svg viewBox={`${-MARGIN} ${-MARGIN} ${base.width + 2 * MARGIN} ${base.height + 2 * MARGIN}`} role="group" aria-label={label} style={size}>
          <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" orient="auto">
              <path d="M0,0 L8,4 L0,8 z" className="arrow" />
            </marker>
          </defs>
          <Edges lines={base.lines} near={near} down={sizes.down} traffic={traffic} stations={stations} />
          {shown.nodes.map((node) => {
            const at = base.placed.get(node.service)
            const { service, health, forecast } = node
            const look = { service, health, rate: node.rate, foreseen: forecast?.alarm ? forecast.probability : null, station: stations.get(service), mark: markOf(service, marks), changed: marks.changed?.has(service) ?? false }
            return at && <Node key={service} {...look} x={at.x} y={at.y} width={sizes.width} dim={near !== null && !near.has(service)} focused={focus === service} press={press} />
          })}
        </svg>
      </div>
      <p className="legend muted small">
        {t('graph.legend')}
        {stations.size > 0 && ` ${t('graph.legendPath')}`}
      </p>
      <div className="graph-tools" role="toolbar" aria-label={t('graph.tools')}>
        {big && (
          <button type="button" onClick={() => setAll(!all)} aria-pressed={all}>
            {all ? t('graph.trouble') : t('graph.all', { n: graph.nodes.length })}
          </button>
        )}
        <button type="button" onClick={() => turn(ZOOM.step)} aria-label={t('graph.in')}>
          +
        </button>
        <button type="button" onClick={() => turn(1 / ZOOM.step)} aria-label={t('graph.out')}>
          −
        </button>
        <button
          type="button"
          onClick={() => {
            setZoom(1)
            setFocus(null)
          }}
        >
          {t('graph.fit')}
        </button>
      </div>
    </div>
  )
}

// Pixels that the frame is wide.
function useRoom(frame: RefObject<HTMLDivElement | null>): number {
  const [room, setRoom] = useState(1000)
  useEffect(() => {
    const element = frame.current
    if (!element) return
    const observer = new ResizeObserver(([entry]) => setRoom(Math.round(entry.contentRect.width)))
    observer.observe(element)
    return () => observer.disconnect()
  }, [frame])
  return room
}

// Where services stand changes only with who there is, not with how they are.
function usePlacing(graph: GraphData, room: number): { base: Layout; sizes: Sizes; scale: number } {
  const shape = JSON.stringify([graph.nodes.map((node) => node.service), graph.edges])
  const kept = useRef({ key: '', value: { base: layout({ nodes: [], edges: [] }, wide), sizes: wide, scale: 1 } })
  const key = `${room} ${shape}`
  if (kept.current.key !== key) {
    const sizes = room < NARROW ? narrow(room) : wide
    const base = layout(graph, sizes)
    const scale = Math.min(SCALE.max, Math.max(SCALE.min, room / (base.width + 2 * MARGIN)))
    kept.current = { key, value: { base, sizes, scale } }
  }
  return kept.current.value
}

const wide: Sizes = { down: false, width: WIDTH, between: 70 }

// Two services fit beside each other.
function narrow(room: number): Sizes {
  return { down: true, width: Math.max(WIDTH_MIN, Math.min(WIDTH, (room - 2 * MARGIN - 30) / 2)), between: 34 }
}

// A mouse moves what is seen; fingers scroll by themselves.
function useDrag(frame: RefObject<HTMLDivElement | null>) {
  const from = useRef<{ x: number; y: number } | null>(null)
  const moved = useRef(false)
  const end = () => {
    from.current = null
  }
  const down = (event: PointerEvent) => {
    if (event.pointerType !== 'mouse') return
    from.current = { x: event.clientX, y: event.clientY }
    moved.current = false
  }
  const move = (event: PointerEvent) => {
    const [at, element] = [from.current, frame.current]
    if (!at || !element) return
    const [dx, dy] = [event.clientX - at.x, event.clientY - at.y]
    if (Math.abs(dx) + Math.abs(dy) < 3) return
    moved.current = true
    element.scrollBy(-dx, -dy)
    from.current = { x: event.clientX, y: event.clientY }
  }
  const isMoved = useCallback(() => moved.current, [])
  return { moved: isMoved, handlers: { onPointerDown: down, onPointerMove: move, onPointerUp: end, onPointerLeave: end } }
}

// How much goes over a line, in steps that one tells apart: of the calls that the graph's busiest service takes.
function trafficOf(graph: GraphData): Map<string, number> {
  const most = Math.max(0, ...graph.nodes.map((node) => node.rate ?? 0))
  const steps = (rate: number) => Math.max(1, Math.ceil((STEPS * rate) / most))
  return new Map(graph.nodes.flatMap((node) => (node.rate ? [[node.service, steps(node.rate)]] : [])))
}

const STEPS = 4

interface EdgesProps {
  lines: Line[]
  near: Set<string> | null
  down: boolean
  // What each service takes, from 1 to 4: who is called a lot has broad lines to it.
  traffic: Map<string, number>
  stations: Map<string, number>
}

const Edges = memo(function Edges({ lines, near, down, traffic, stations }: EdgesProps) {
  return lines.map(({ edge, points }) => {
    const dim = near && !(near.has(edge.from) && near.has(edge.to)) ? ' dim' : ''
    const kind = edge.kind === 'consumes' ? ' events' : ''
    const [from, to] = [stations.get(edge.from), stations.get(edge.to)]
    const cascade = from && to && Math.abs(from - to) === 1 ? ' cascade' : ''
    const weight = traffic.get(edge.to) ?? 0
    return <path key={`${edge.from} ${edge.to}`} className={`edge${kind}${cascade}${dim}${weight ? ` traffic-${weight}` : ''}`} d={path(points, down)} markerEnd="url(#arrow)" />
  })
})

function markOf(service: string, marks: Marks): string {
  if (marks.affected?.has(service)) return ' affected'
  return marks.atRisk?.has(service) ? ' at-risk' : ''
}

// Nothing but plain values, so that of five hundred services only those are drawn anew that changed.
interface NodeProps {
  service: string
  health: string
  rate: number | null
  foreseen: number | null | undefined
  station: number | undefined
  mark: string
  changed: boolean
  x: number
  y: number
  width: number
  dim: boolean
  focused: boolean
  press: (service: string) => void
}

// Pixels that a letter of a name takes.
const LETTER = 7

const Node = memo(function Node({ service, health, rate, foreseen, station, mark, changed, x, y, width, dim, focused, press }: NodeProps) {
  const { t } = useWords()
  const fits = Math.floor((width - 22) / LETTER)
  const name = service.length > fits ? `${service.slice(0, fits - 1)}…` : service
  const takes = rate != null && metricValue('request_rate', rate)
  const fails = foreseen != null && t('graph.foreseen', { percent: percent(foreseen) })
  const state = t(`health.${health}` as MessageKey)
  // A service is narrow: what is foreseen comes before what it takes, which its title says all the same.
  const said = [state, fails || takes].filter(Boolean).join(' · ')
  const spoken = [state, fails, takes, station && t('graph.station', { n: station })].filter(Boolean).join(' · ')
  return (
    <g
      className={`node health-${health}${mark}${station ? ' station' : ''}${dim ? ' dim' : ''}`}
      transform={`translate(${x} ${y})`}
      role="button"
      tabIndex={0}
      aria-pressed={focused}
      aria-label={`${service}: ${spoken}`}
      onClick={() => press(service)}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return
        event.preventDefault()
        press(service)
      }}
    >
      <title>{`${service}: ${spoken}`}</title>
      <rect width={width} height={HEIGHT} rx="6" />
      <rect className="mark" width="4" height={HEIGHT} rx="2" />
      <text x="14" y="19" className="name">
        {name}
      </text>
      <text x="14" y="35" className="said">
        {said}
      </text>
      {changed && (
        <path className="changed" d={`M${width - 16},26 l6,10 h-12 z`}>
          <title>{t('graph.changed')}</title>
        </path>
      )}
      {station && (
        <g className="number" transform={`translate(${width - 4} 4)`}>
          <circle r="9" />
          <text textAnchor="middle" y="4">
            {station}
          </text>
        </g>
      )}
    </g>
  )
})

function neighbourhood(edges: GraphEdge[], focus: string | null): Set<string> | null {
  return focus ? around(edges, new Set([focus])) : null
}

function around(edges: GraphEdge[], of: Set<string>): Set<string> {
  const near = new Set(of)
  for (const edge of edges) {
    if (of.has(edge.from)) near.add(edge.to)
    if (of.has(edge.to)) near.add(edge.from)
  }
  return near
}

function inTrouble(graph: GraphData, marks: Marks, focus: string | null): GraphData {
  const is = (node: GraphNode) => node.health === 'abnormal' || node.health === 'stale' || node.forecast?.alarm || node.service === focus
  const marked = [...(marks.affected ?? []), ...(marks.atRisk ?? []), ...(marks.path ?? [])]
  const near = around(graph.edges, new Set([...graph.nodes.filter(is).map((node) => node.service), ...marked]))
  const nodes = graph.nodes.filter((node) => near.has(node.service)).slice(0, SHOWN_MAX)
  const kept = new Set(nodes.map((node) => node.service))
  return { nodes, edges: graph.edges.filter((edge) => kept.has(edge.from) && kept.has(edge.to)) }
}
