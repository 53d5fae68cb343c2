// Which pieces of evidence belong together: those that ask the same of the same service.
import type { Evidence, IncidentDetail, Signal } from '../../api/types'

export type Side = 'for' | 'against' | null

export interface Group {
  key: string
  service: string
  // The last piece first.
  pieces: Evidence[]
  // What the detectors said of the series, if that is where it comes from.
  signal: Signal | null
  side: Side
}

const rank = { for: 0, against: 1 }

// The charts of the component that the verdict names come first, then other charts, then what has none.
export function groups(incident: IncidentDetail): Group[] {
  const all = new Map<string, Group>()
  const take = (piece: Evidence, signal: Signal | null) => {
    const key = `${piece.service} ${seriesOf(piece)}`
    const group = all.get(key) ?? { key, service: piece.service, pieces: [], signal: null, side: null }
    if (group.pieces.every((known) => known.id !== piece.id)) group.pieces.push(piece)
    group.signal ??= signal
    all.set(key, group)
  }
  for (const signal of incident.signals) if (signal.evidence) take(signal.evidence, signal.metric ? signal : null)
  for (const piece of incident.verdict?.evidence ?? []) take(piece, null)
  const root = incident.verdict?.ranked[0]
  for (const group of all.values()) {
    group.side = sideOf(group, root?.for ?? [], root?.against ?? [])
    group.pieces.sort((a, b) => b.to.localeCompare(a.to))
  }
  const weight = (group: Group) =>
    (group.signal ? 0 : 100) + (group.service === incident.component ? 0 : 10) + (group.side ? rank[group.side] : 2)
  return [...all.values()].sort((a, b) => weight(a) - weight(b))
}

// A query without the times that some of them name.
function seriesOf(piece: Evidence): string {
  return `${piece.source === 'neighbour_metrics' ? 'service_metrics' : piece.source} ${piece.query.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '')}`
}

function sideOf(group: Group, pro: string[], contra: string[]): Side {
  const has = (ids: string[]) => group.pieces.some((piece) => ids.includes(piece.id))
  return has(pro) ? 'for' : has(contra) ? 'against' : null
}
