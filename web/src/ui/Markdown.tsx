// Markdown as React elements. No HTML is ever made of text: what a log line says in a postmortem stays text.
import type { ReactNode } from 'react'

function inline(text: string): ReactNode[] {
  const parts = text.split(/(`[^`]+`|\*\*[^*]+\*\*)/g)
  return parts.map((part, i) => {
    if (part.startsWith('`') && part.endsWith('`') && part.length > 2) return <code key={i}>{part.slice(1, -1)}</code>
    if (part.startsWith('**') && part.endsWith('**') && part.length > 4) return <strong key={i}>{part.slice(2, -2)}</strong>
    return part
  })
}

const cells = (line: string) => line.replace(/^\||\|$/g, '').split('|').map((cell) => cell.trim())

function block(lines: string[], key: number): ReactNode {
  const [first] = lines
  const heading = /^(#{1,6})\s+(.*)$/.exec(first)
  if (heading) {
    const Tag = heading[1].length <= 1 ? 'h3' : heading[1].length === 2 ? 'h4' : 'h5'
    return <Tag key={key}>{inline(heading[2])}</Tag>
  }
  if (first.startsWith('```')) return <pre key={key}>{lines.slice(1, lines.at(-1) === '```' ? -1 : undefined).join('\n')}</pre>
  if (first.startsWith('|') && /^\|[\s:|-]+$/.test(lines[1] ?? '')) {
    return (
      <div className="table-frame" key={key} tabIndex={0} role="region" aria-label={cells(first).join(', ')}>
        <table>
          <thead>
            <tr>{cells(first).map((cell, i) => <th key={i}>{inline(cell)}</th>)}</tr>
          </thead>
          <tbody>
            {lines.slice(2).map((line, row) => (
              <tr key={row}>{cells(line).map((cell, i) => <td key={i}>{inline(cell)}</td>)}</tr>
            ))}
          </tbody>
        </table>
      </div>
    )
  }
  if (/^[-*] /.test(first)) {
    return <ul key={key}>{lines.map((line, i) => <li key={i}>{inline(line.replace(/^[-*] /, ''))}</li>)}</ul>
  }
  if (/^\d+\. /.test(first)) {
    return <ol key={key}>{lines.map((line, i) => <li key={i}>{inline(line.replace(/^\d+\. /, ''))}</li>)}</ol>
  }
  return <p key={key}>{inline(lines.join(' '))}</p>
}

// Blocks are divided by empty lines and headings; fences hold whatever is in them.
function blocks(text: string): string[][] {
  const all: string[][] = []
  let now: string[] = []
  let fenced = false
  const end = () => {
    if (now.length) all.push(now)
    now = []
  }
  for (const line of text.split('\n')) {
    if (line.startsWith('```')) {
      if (!fenced) end()
      now.push(line.startsWith('```') && fenced ? '```' : line)
      if (fenced) end()
      fenced = !fenced
    } else if (fenced) now.push(line)
    else if (!line.trim()) end()
    else if (/^#{1,6}\s/.test(line)) {
      end()
      all.push([line])
    } else now.push(line)
  }
  end()
  return all
}

export function Markdown({ text }: { text: string }) {
  return <div className="markdown">{blocks(text).map(block)}</div>
}
