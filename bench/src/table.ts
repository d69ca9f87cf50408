import type { Table } from './rounds.js'

const columns = [
  ['ratio', 'ratio', 2], ['spread', 'spread', 0], ['p50Ms', 'p50 ms', 2], ['p99Ms', 'p99 ms', 2], ['cpuUs', 'CPU µs each', 1],
  ['cpuPercent', 'CPU % of a core', 1], ['heldMs', 'loop held ms', 1], ['lastTenth', 'last tenth', 2], ['rssMb', 'MB', 0]
] as const

export function printTable ({ title, unit, rows }: Table): void {
  const shown = columns.filter(([key]) => rows.some(row => row[key] !== undefined && row[key] !== ''))
  const cells = [
    [title, unit, ...shown.map(([, header]) => header)],
    ...rows.map(row => [row.name, row.void ? 'void' : format(row.rate, 0), ...shown.map(([key, , digits]) => format(row[key], digits))])
  ]
  const widths = cells[0]?.map((_cell, column) => Math.max(...cells.map(line => line[column]?.length ?? 0))) ?? []
  console.log()
  for (const line of cells) {
    console.log(line.map((cell, column) => column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)).join('  '))
  }
  for (const { name, note, void: wrong } of rows) {
    if (note) console.log(`  ${name}: ${note}`)
    if (wrong) console.log(`  ${name}: ${wrong}`)
  }
}

function format (value: unknown, digits: number): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'number' || !Number.isFinite(value)) return ''
  return value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits })
}
