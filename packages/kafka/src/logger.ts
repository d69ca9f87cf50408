import type { ClientOptions } from './client-options.js'
import type { Logger } from './types.js'

const emitted = new Set<string>()
const emittedLimit = 100

function emitWarning (details: object, text: string): void {
  const { err, ...rest } = details as { err?: unknown }
  const line = 'err' in details ? `${text}: ${err instanceof Error ? err.message : String(err)}` : text
  const detail = Object.keys(rest).length > 0 ? JSON.stringify(rest) : undefined
  const kind = `${line} ${detail}`.replaceAll(/\d+/g, '') // another topic is another kind
  if (emitted.has(kind) || emitted.size === emittedLimit) return
  emitted.add(kind)
  process.emitWarning(line, { type: 'KafkaWarning', ...detail !== undefined && { detail } })
}

/** Logger of a client without `logger`: emits each kind of line at warn or error once, as a warning of the process. */
const processWarnings: Logger = { debug () {}, info () {}, warn: emitWarning, error: emitWarning }

export const loggerOf = ({ logger }: ClientOptions): Logger => logger ?? processWarnings
