// The live view: one connection, taken up again by itself, and an honest word when what is shown is old.
import { useQueryClient } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from 'react'
import { api, asked } from './client'
import { useStanding } from './session'
import type { View } from './types'

// Waits before it is tried again, milliseconds: soon at first, never longer than a person's patience.
const AGAIN_MS = [250, 500, 1000, 2000, 4000, 8000, 15000]

export interface Live {
  view: View | null
  // When what is shown was last known to be true; null while it is.
  staleSince: Date | null
  error: string | null
}

const Context = createContext<Live>({ view: null, staleSince: null, error: null })

interface Message {
  type: 'snapshot' | 'update' | 'resumed' | 'error'
  epoch: string
  seq: number
  data: View | null
  error?: string
}

class Connection {
  private socket: WebSocket | null = null
  private timer: number | undefined
  private tries = 0
  private ended = false
  private seen = ''

  constructor(
    private readonly heard: (message: Message) => void,
    private readonly lost: () => void,
  ) {}

  async start() {
    try {
      const { ticket } = await asked<{ ticket: string | null }>(api.POST('/api/v1/session/ticket'))
      if (this.ended) return
      this.open(ticket)
    } catch {
      this.again()
    }
  }

  private open(ticket: string | null) {
    const query = new URLSearchParams()
    if (ticket) query.set('ticket', ticket)
    if (this.seen) query.set('resume', this.seen)
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    const socket = new WebSocket(`${scheme}://${location.host}/ws?${query}`)
    this.socket = socket
    socket.onmessage = (event: MessageEvent<string>) => {
      this.tries = 0
      const message = JSON.parse(event.data) as Message
      if (message.type !== 'error') this.seen = `${message.epoch}.${message.seq}`
      this.heard(message)
    }
    socket.onclose = () => {
      if (this.socket === socket) this.again()
    }
  }

  private again() {
    if (this.ended) return
    this.lost()
    // A little chance, so that a server that comes back is not met by everybody at once.
    const wait = AGAIN_MS[Math.min(this.tries++, AGAIN_MS.length - 1)] * (0.75 + Math.random() / 2)
    window.clearTimeout(this.timer)
    this.timer = window.setTimeout(() => void this.start(), wait)
  }

  // Sooner than planned: the network is back, or somebody looks again.
  hurry() {
    if (this.ended || this.socket?.readyState === WebSocket.OPEN) return
    if (this.socket?.readyState === WebSocket.CONNECTING) return
    this.tries = 0
    window.clearTimeout(this.timer)
    void this.start()
  }

  end() {
    this.ended = true
    window.clearTimeout(this.timer)
    this.socket?.close()
  }
}

export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient()
  const { session } = useStanding()
  const [view, setView] = useState<View | null>(null)
  const [staleSince, setStaleSince] = useState<Date | null>(null)
  const [error, setError] = useState<string | null>(null)
  const last = useRef(new Date())
  useEffect(() => {
    const heard = (message: Message) => {
      last.current = new Date()
      setStaleSince(message.type === 'error' ? (old) => old ?? new Date() : null)
      setError(message.type === 'error' ? (message.error ?? null) : null)
      if (message.type === 'snapshot' || message.type === 'update') {
        setView(message.data)
        void client.invalidateQueries({ predicate: (query) => query.meta?.live === true })
      }
    }
    const connection = new Connection(heard, () => setStaleSince((old) => old ?? last.current))
    const hurry = () => connection.hurry()
    void connection.start()
    window.addEventListener('online', hurry)
    document.addEventListener('visibilitychange', hurry)
    return () => {
      window.removeEventListener('online', hurry)
      document.removeEventListener('visibilitychange', hurry)
      connection.end()
    }
  }, [client, session.name])
  const live = useMemo(() => ({ view, staleSince, error }), [view, staleSince, error])
  return <Context.Provider value={live}>{children}</Context.Provider>
}

export function useLive(): Live {
  return useContext(Context)
}
