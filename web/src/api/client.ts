// Questions to the server. Types come from its OpenAPI document (`npm run generate`); where that says only "object", from
// `types.ts`.
import createClient from 'openapi-fetch'
import type { paths } from './schema'

// What went wrong, in the server's words: it says what to do.
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

let csrf: string | null = null

export function setCsrf(token: string | null) {
  csrf = token
}

export const api = createClient<paths>({ baseUrl: '', headers: { 'content-type': 'application/json' } })

api.use({
  onRequest({ request }) {
    if (csrf && request.method !== 'GET') request.headers.set('x-csrf-token', csrf)
    return request
  },
})

type Answer = { data?: unknown; error?: unknown; response: Response }

// The answer's body as `T`, or an error with the server's sentence.
export async function asked<T>(answer: Promise<Answer>): Promise<T> {
  const { data, error, response } = await answer
  if (!response.ok) throw new ApiError(response.status, sentence(error, response))
  return data as T
}

function sentence(error: unknown, response: Response): string {
  if (error && typeof error === 'object' && 'error' in error) return String(error.error)
  if (typeof error === 'string' && error) return error
  return `${response.status} ${response.statusText}`
}

// For paths that the document does not have: Alertmanager's and the lab's.
export async function raw<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = {}
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (csrf && method !== 'GET') headers['x-csrf-token'] = csrf
  const response = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  const data: unknown = text ? parsed(text) : null
  if (!response.ok) throw new ApiError(response.status, sentence(data, response))
  return data as T
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
