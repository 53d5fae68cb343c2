// Shapes of answers that the OpenAPI document describes only as objects.
import type { components } from './schema'

type Schemas = components['schemas']
export type IncidentDetail = Schemas['IncidentDetail']
export type IncidentSummary = Schemas['IncidentSummary']
export type IncidentPage = Schemas['IncidentPage']
export type Approval = Schemas['ApprovalDto']
export type ActionRow = Schemas['ActionDto']
export type Evidence = Schemas['Evidence']
export type Hypothesis = Schemas['Hypothesis']
export type PlanStep = Schemas['PlanStep']
export type Signal = Schemas['Signal']
export type Session = Schemas['SessionDto']
export type SeriesPoints = Schemas['SeriesDto']
export type Change = Schemas['Change']
export type Again = Schemas['AgainDto']

export type NodeHealth = 'normal' | 'abnormal' | 'stale' | 'unknown'

export interface Forecast {
  service: string
  probability?: number
  tier?: string | null
  minutes?: number | null
  alarm?: { tier: string; since: string; acted: boolean } | null
}

export interface GraphNode {
  service: string
  health: NodeHealth
  forecast: Forecast | null
  // Requests per second that it takes; null where nobody counts them.
  rate: number | null
}

export interface GraphEdge {
  from: string
  to: string
  kind: string
}

export interface Graph {
  nodes: GraphNode[]
  edges: GraphEdge[]
}

export interface View {
  graph: Graph
  // Those that need somebody are all there; of the others the last opened, and how many more there are.
  incidents: IncidentSummary[]
  more: number
  approvals: Approval[]
  mode: string
  dry_run: boolean
  // The path is the way that a failure will probably take, from where it begins.
  prediction: { model: string; horizon_s: number; path: { service: string; probability: number; minutes: number }[] } | null
  health: {
    status: string
    warm_up_ticks_left: number
    stale: boolean
    sources_failing: string[]
    receivers_failing: string[]
    last_error: string | null
  }
}

export interface AlertRow {
  id: string
  received_at: string
  source: string
  incident: string | null
  service: string
  status: string | null
  duplicate_of: string | null
  flapping: unknown
  signal: { summary?: string; severity?: string | null; kind?: string } | null
  alert: { labels?: Record<string, string> } | null
}

// How an alert or an incident was handled, step by step.
export interface Way {
  headline: string
  incident?: string | null
  steps: { at: string; step: string; detail: string; signal?: string | null }[]
}

export interface KnowledgeDocument {
  title: string
  // Markdown.
  text: string
  services?: string[]
  anomaly_types?: string[]
}

export interface MetricState {
  value: number
  at: string
  sigma: number
  suspicious: boolean
  stale: boolean
  normal_up_to: number | null
}

export interface ServiceRow {
  registration: {
    name: string
    namespace?: string | null
    owner?: string | null
    depends_on: string[]
    consumes_from: string[]
    health?: string | null
  }
  metrics: Record<string, MetricState>
  // What its document says, where there is one.
  facts: { team: string; criticality: string; sla: string; on_call: string } | null
}

export interface Fault {
  service: string
  type: string
  magnitude: number
  injected_at: string
  mechanism: string
  present: boolean
  detail: string
}

export interface Silence {
  id: string
  status: { state: string }
  matchers: { name: string; value: string; isRegex: boolean; isEqual: boolean }[]
  startsAt: string
  endsAt: string
  createdBy: string
  comment: string
}

export interface Maintenance {
  id: string
  state: string
  starts_at: string
  ends_at: string
  by: string
  reason: string
  matchers: string[]
}
