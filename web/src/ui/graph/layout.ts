// Where services stand: those who call before those who are called, a layer each. Lines that skip a layer get a place of
// their own in it, so that none runs behind a service.
import type { Graph, GraphEdge, GraphNode } from '../../api/types'

export const HEIGHT = 44
const GAP = 16
// What a line that only passes takes of a layer.
const LANE = 10
// Looks over all layers until the order settles; more change nothing in graphs of people's size.
const SWEEPS = 6

export interface Sizes {
  // Layers lie below each other rather than beside.
  down: boolean
  width: number
  // Between layers, for lines to turn.
  between: number
}

export interface Point {
  x: number
  y: number
}

export interface Placed extends GraphNode, Point {}

export interface Line {
  edge: GraphEdge
  points: Point[]
}

export interface Layout {
  placed: Map<string, Placed>
  lines: Line[]
  width: number
  height: number
}

interface Slot {
  key: string
  layer: number
  node: GraphNode | null
  before: Slot[]
  after: Slot[]
  at: number
}

// How far from the first layer a service stands: one beyond the farthest of its callers. Circles are cut where they are
// entered.
function layers(nodes: GraphNode[], edges: GraphEdge[]): Map<string, number> {
  const callers = new Map<string, string[]>(nodes.map((node) => [node.service, []]))
  for (const edge of edges) if (edge.from !== edge.to && callers.has(edge.from)) callers.get(edge.to)?.push(edge.from)
  const known = new Map<string, number>()
  const place = (service: string, way: Set<string>): number => {
    const kept = known.get(service)
    if (kept !== undefined) return kept
    if (way.has(service)) return -1
    way.add(service)
    const layer = 1 + Math.max(-1, ...(callers.get(service) ?? []).map((caller) => place(caller, way)))
    way.delete(service)
    known.set(service, layer)
    return layer
  }
  for (const node of nodes) place(node.service, new Set())
  return known
}

function join(from: Slot, to: Slot) {
  from.after.push(to)
  to.before.push(from)
}

// A slot per service, and one per layer that a line passes.
function slots({ nodes, edges }: Graph): { rows: Slot[][]; ways: { edge: GraphEdge; way: Slot[] }[] } {
  const layer = layers(nodes, edges)
  const rows: Slot[][] = []
  const add = (key: string, at: number, node: GraphNode | null) => {
    const slot: Slot = { key, layer: at, node, before: [], after: [], at: 0 }
    rows[at] = [...(rows[at] ?? []), slot]
    return slot
  }
  const sorted = [...nodes].sort((a, b) => a.service.localeCompare(b.service))
  const own = new Map(sorted.map((node) => [node.service, add(node.service, layer.get(node.service) ?? 0, node)]))
  const ways: { edge: GraphEdge; way: Slot[] }[] = []
  for (const edge of edges) {
    const [from, to] = [own.get(edge.from), own.get(edge.to)]
    if (!from || !to || from === to) continue
    const way = [from]
    for (let at = from.layer + 1; at < to.layer; at++) way.push(add(`${edge.from} ${edge.to} ${at}`, at, null))
    way.push(to)
    for (let i = 1; i < way.length; i++) if (way[i].layer > way[i - 1].layer) join(way[i - 1], way[i])
    ways.push({ edge, way })
  }
  return { rows: rows.map((row) => row ?? []), ways }
}

// Each layer in the order of the middles of those that it is joined with: few lines cross.
function order(rows: Slot[][]) {
  const number = (row: Slot[]) => row.forEach((slot, i) => (slot.at = i))
  rows.forEach(number)
  const middle = (slot: Slot, of: Slot[]) => (of.length ? of.reduce((sum, one) => sum + one.at, 0) / of.length : slot.at)
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const forth = sweep % 2 === 0
    for (const row of forth ? rows : [...rows].reverse()) {
      const pull = new Map(row.map((slot) => [slot, middle(slot, forth ? slot.before : slot.after)]))
      row.sort((a, b) => (pull.get(a) ?? 0) - (pull.get(b) ?? 0) || a.key.localeCompare(b.key))
      number(row)
    }
  }
}

export function layout(graph: Graph, sizes: Sizes): Layout {
  const { rows, ways } = slots(graph)
  order(rows)
  const across = (slot: Slot) => (slot.node ? (sizes.down ? sizes.width : HEIGHT) : LANE)
  const length = (row: Slot[]) => row.reduce((sum, slot) => sum + across(slot) + GAP, -GAP)
  const longest = Math.max(HEIGHT, ...rows.map(length))
  const deep = sizes.down ? HEIGHT : sizes.width
  const at = new Map<Slot, Point>()
  const placed = new Map<string, Placed>()
  rows.forEach((row, layer) => {
    let along = (longest - length(row)) / 2
    for (const slot of row) {
      const depth = layer * (deep + sizes.between)
      const point = sizes.down ? { x: along, y: depth } : { x: depth, y: along }
      at.set(slot, point)
      if (slot.node) placed.set(slot.key, { ...slot.node, ...point })
      along += across(slot) + GAP
    }
  })
  const depth = Math.max(1, rows.length) * (deep + sizes.between) - sizes.between
  const lines = ways.map(({ edge, way }) => ({ edge, points: through(way, at, sizes) }))
  return { placed, lines, width: sizes.down ? longest : depth, height: sizes.down ? depth : longest }
}

// Where a line leaves, enters and leaves the layers between, and arrives.
function through(way: Slot[], at: Map<Slot, Point>, { down, width }: Sizes): Point[] {
  const deep = down ? HEIGHT : width
  return way.flatMap((slot, i) => {
    const { x, y } = at.get(slot) ?? { x: 0, y: 0 }
    const half = (slot.node ? (down ? width : HEIGHT) : LANE) / 2
    const edge = (depth: number): Point => (down ? { x: x + half, y: y + depth } : { x: x + depth, y: y + half })
    if (i === 0) return [edge(deep)]
    return i === way.length - 1 ? [edge(0)] : [edge(0), edge(deep)]
  })
}

// A smooth line through its points: bent between layers, straight along them.
export function path(points: Point[], down: boolean): string {
  const [first, ...rest] = points
  let text = `M${first.x},${first.y}`
  rest.forEach((to, i) => {
    const from = points[i]
    const bend = down ? Math.max(14, Math.abs(to.y - from.y) / 2) : Math.max(24, Math.abs(to.x - from.x) / 2)
    if (i % 2 === 1) text += ` L${to.x},${to.y}`
    else if (down) text += ` C${from.x},${from.y + bend} ${to.x},${to.y - bend} ${to.x},${to.y}`
    else text += ` C${from.x + bend},${from.y} ${to.x - bend},${to.y} ${to.x},${to.y}`
  })
  return text
}
