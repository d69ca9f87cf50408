import type { ClientOptions, Logger } from './types.js'

const told = new Set<string>()
const mostTold = 100

function tell (details: object, text: string): void {
  const { err, ...rest } = details as { err?: unknown }
  const line = 'err' in details ? `${text}: ${err instanceof Error ? err.message : String(err)}` : text
  const kind = line.replaceAll(/\d+/g, '')
  if (told.has(kind) || told.size === mostTold) return
  told.add(kind)
  process.emitWarning(line, { type: 'KafkaWarning', ...Object.keys(rest).length > 0 && { detail: JSON.stringify(rest) } })
}

/** For a client without a `logger`: a line at warn or error is a warning of the process, once for each kind. */
const processWarnings: Logger = { debug () {}, info () {}, warn: tell, error: tell }

export const loggerOf = ({ logger }: ClientOptions): Logger => logger ?? processWarnings
