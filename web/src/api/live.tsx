// The live view: one connection, taken up again by itself, and an honest word when what is shown is old.
import { useQueryClient } from '@tanstack/react-query'
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from 'react'
import { ApiError, api, asked } from './client'
import { useStanding } from './session'
import type { View } from './types'

// Waits before it is tried again, milliseconds: soon at first, never longer than a person's patience.
const AGAIN_MS = [250, 500, 1000, 2000, 4000, 8000, 15000]
// The server says something every five seconds. Two missed and half a third: the connection is dead, whatever it believes.
const SILENCE_MS = 12_500
const LOOK_MS = 2_500
// A ticket or a greeting that has not come by now does not come: a network that swallows packets says nothing.
const OPENING_MS = 15_000
// What is shown is asked for anew this often at most, however much happens.
const RENEW_EVERY_MS = 1_000

export interface Live {
  view: View | null
  // When what is shown was last known to be true; null while it is.
  staleSince: Date | null
  error: string | null
}

const Context = createContext<Live>({ view: null, staleSince: null, error: null })

interface Message {
  type: 'snapshot' | 'update' | 'resumed' | 'changed' | 'beat' | 'error'
  epoch: string
  seq: number
  data: View | null
  error?: string
}

// One connection at a time: each attempt has a number, and what an earlier one still says is not heard.
class Connection {
  private socket: WebSocket | null = null
  private timer: number | undefined
  private tries = 0
  private attempt = 0
  private ended = false
  private seen = ''
  // When something was last heard, or the attempt began.
  private alive = Date.now()
  private readonly watch = window.setInterval(() => this.look(), LOOK_MS)

  constructor(
    private readonly heard: (message: Message) => void,
    private readonly lost: () => void,
    private readonly signedOut: () => void,
  ) {}

  async start() {
    const attempt = this.begin()
    try {
      const { ticket } = await asked<{ ticket: string | null }>(api.POST('/api/v1/session/ticket', { signal: AbortSignal.timeout(OPENING_MS) }))
      if (attempt === this.attempt) this.open(ticket, attempt)
    } catch (error) {
      if (attempt !== this.attempt) return
      if (error instanceof ApiError && error.status === 401) this.signedOut()
      this.again()
    }
  }

  // What was before is over, also if it does not know it yet.
  private begin(): number {
    window.clearTimeout(this.timer)
    this.socket?.close()
    this.socket = null
    this.alive = Date.now()
    return ++this.attempt
  }

  // Age says whether it is alive; its state says open for minutes after a network is gone.
  private look() {
    const patience = this.socket?.readyState === WebSocket.OPEN ? SILENCE_MS : OPENING_MS
    if (!this.ended && this.socket && Date.now() - this.alive > patience) this.again()
  }

  private open(ticket: string | null, attempt: number) {
    const query = new URLSearchParams()
    if (ticket) query.set('ticket', ticket)
    if (this.seen) query.set('resume', this.seen)
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    const socket = new WebSocket(`${scheme}://${location.host}/ws?${query}`)
    this.socket = socket
    socket.onmessage = (event: MessageEvent<string>) => {
      if (attempt !== this.attempt) return
      this.tries = 0
      this.alive = Date.now()
      const message = JSON.parse(event.data) as Message
      if (message.data || message.type === 'resumed') this.seen = `${message.epoch}.${message.seq}`
      this.heard(message)
    }
    socket.onclose = () => {
      if (attempt === this.attempt) this.again()
    }
  }

  private again() {
    if (this.ended) return
    this.begin()
    this.lost()
    // A little chance, so that a server that comes back is not met by everybody at once.
    const wait = AGAIN_MS[Math.min(this.tries++, AGAIN_MS.length - 1)] * (0.75 + Math.random() / 2)
    this.timer = window.setTimeout(() => void this.start(), wait)
  }

  // Sooner than planned: the network is back, or somebody looks again.
  hurry() {
    if (this.ended || document.hidden || Date.now() - this.alive < LOOK_MS) return
    const isAlive = this.socket?.readyState === WebSocket.OPEN && Date.now() - this.alive <= SILENCE_MS
    if (isAlive) return
    this.lost()
    this.tries = 0
    void this.start()
  }

  end() {
    this.ended = true
    window.clearInterval(this.watch)
    this.begin()
  }
}

// Asks anew for what is shown: at once, then once more after the last of many reasons, and never so that a slow answer is
// thrown away for the next.
function useRenew(): () => void {
  const client = useQueryClient()
  const state = useRef({ last: 0, timer: undefined as number | undefined })
  useEffect(() => {
    const { current } = state
    return () => window.clearTimeout(current.timer)
  }, [])
  return useCallback(() => {
    const { current } = state
    // Nobody looks; when somebody does, everything is asked for anyway.
    if (current.timer !== undefined || document.hidden) return
    const run = () => {
      current.timer = undefined
      current.last = Date.now()
      void client.invalidateQueries({ predicate: (query) => query.meta?.live === true }, { cancelRefetch: false })
    }
    const wait = current.last + RENEW_EVERY_MS - Date.now()
    if (wait <= 0) run()
    else current.timer = window.setTimeout(run, wait)
  }, [client])
}

export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient()
  const { session } = useStanding()
  const [view, setView] = useState<View | null>(null)
  const [staleSince, setStaleSince] = useState<Date | null>(null)
  const [error, setError] = useState<string | null>(null)
  const last = useRef(new Date())
  const failing = useRef(false)
  const renew = useRenew()
  useEffect(() => {
    const heard = (message: Message) => {
      if (message.type === 'error') {
        setStaleSince((old) => old ?? last.current)
        setError(message.error ?? null)
        failing.current = true
        return
      }
      // That somebody is there does not make true again what could not be read.
      if (message.type === 'beat' || message.type === 'changed') {
        if (!failing.current) last.current = new Date()
      } else {
        failing.current = false
        last.current = new Date()
        setStaleSince(null)
        setError(null)
      }
      if (message.data) setView(message.data)
      if (message.type !== 'beat') renew()
    }
    const lost = () => setStaleSince((old) => old ?? last.current)
    // First who is signed in: what is shown then asks for nothing any more.
    const connection = new Connection(heard, lost, () => client.setQueryData(['session'], null))
    const hurry = () => connection.hurry()
    void connection.start()
    window.addEventListener('online', hurry)
    document.addEventListener('visibilitychange', hurry)
    return () => {
      window.removeEventListener('online', hurry)
      document.removeEventListener('visibilitychange', hurry)
      connection.end()
    }
  }, [client, renew, session.csrf])
  const live = useMemo(() => ({ view, staleSince, error }), [view, staleSince, error])
  return <Context.Provider value={live}>{children}</Context.Provider>
}

export function useLive(): Live {
  return useContext(Context)
}
