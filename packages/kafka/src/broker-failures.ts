import { redactor } from './properties.js'
import type { ClientOptions } from './client-options.js'

/** Reason why a broker cannot be reached. */
export interface BrokerFailure {
  /** host:port */
  broker: string
  reason: string
}

interface Failure {
  /** Undefined while the broker is connected. */
  reason: string | undefined
  /** Kind of the latest reported reason. */
  reported: string | undefined
  /** When each kind of reason was reported, within the last 10 s. */
  reportedAt: Map<string, number>
}

/** Shortest time between two reports of the same reason and broker, in ms. */
const repeatAfterMs = 10_000
/** Severity 7 (debug) repeats the same lines with more words. */
const longestSeverity = 6

// [thrd:ssl://host:9092/bootstrap]: ssl://host:9092/bootstrap: <reason> (after 3ms in state CONNECT, 1 identical error(s) suppressed)
const line = /^\[thrd:.*?\]: (?:(?:(\w+):\/\/)?(\S+)\/[\w-]+|GroupCoordinator: (\S+)): (.+?)(?: \(after \d+ms in state (\w+).*\))?$/

/**
 * Parses a librdkafka log line with facility FAIL, the only source of the reason why a broker cannot be reached.
 *
 * @returns undefined for a line of another form, such as that of a broker whose address is still unknown
 */
export function readFailure (message: string): BrokerFailure | undefined {
  const [, protocol = 'plaintext', name, coordinator, text = '', state = ''] = line.exec(message) ?? []
  const broker = name ?? coordinator
  return broker === undefined ? undefined : { broker, reason: explain(text, state, protocol.endsWith('ssl')) }
}

/** librdkafka's text, completed or corrected where it misleads. */
function explain (text: string, state: string, isTls: boolean): string {
  const size = /Invalid response size (-?\d+)/.exec(text)?.[1]
  if (size !== undefined && state !== 'UP') return `the server is no Kafka listener${isTls ? '' : ' without TLS'}: its first bytes are ${bytes(Number(size))}`
  // librdkafka names ssl.ca.location, whatever is wrong with the certificate.
  if (text.includes('certificate verify failed')) return 'certificate verify failed: its authority is not in ssl.ca.location, it is for another name, or it has expired'
  if (text.startsWith('Disconnected') && state === 'APIVERSION_QUERY' && !isTls) return `${text}: is it a TLS listener?`
  // librdkafka adds this question itself, except where the connection is closed right after the TLS hello.
  if (text.startsWith('Disconnected: SSL') && ['CONNECT', 'SSL_HANDSHAKE'].includes(state)) return `${text}: connecting to a PLAINTEXT broker listener?`
  if (/SSL alert number/.test(text)) return `${text}: the broker refuses the client's certificate, or there is none`
  return text
}

/** The first four bytes as text. Another protocol's start, such as "HTTP" or a TLS alert, was read as the length of a Kafka response. */
function bytes (size: number): string {
  const first = Buffer.alloc(4)
  first.writeInt32BE(size)
  return JSON.stringify(first.toString('latin1').replaceAll(/[^ -~]/g, '.'))
}

/** Reduces a reason to its kind: two addresses of one name fail in turn for the same reason, and a closed connection is sometimes reported as reset. */
const kindOf = (reason: string) => reason.replace(/ipv[46]#\S+/, '').replace(/^Disconnected: connection [^:]*(: receive 0 after POLLIN)?/, 'Disconnected').replaceAll(/\d+/g, '')

/** Unreachable brokers with their reasons. Each reason is reported once, and again when it changes. */
export class BrokerFailures {
  readonly #failures = new Map<string, Failure>()
  readonly #redact: (text: string) => string
  #latest: string | undefined

  constructor (options: ClientOptions) {
    this.#redact = redactor(options)
  }

  /** Adds a librdkafka log line with facility FAIL. */
  add (severity: number, message: string): void {
    const failure = severity <= longestSeverity ? readFailure(message) : undefined
    if (failure === undefined) return
    const reason = this.#redact(failure.reason)
    const known = this.#failures.get(failure.broker)
    this.#failures.set(failure.broker, { reported: undefined, reportedAt: new Map(), ...known, reason })
    this.#latest = failure.broker
  }

  /** Current failures. */
  get all (): BrokerFailure[] {
    return [...this.#failures].flatMap(([broker, { reason }]) => reason === undefined ? [] : [{ broker, reason }])
  }

  /** The latest failure; it counts as reported from now on. */
  takeLatest (): BrokerFailure | undefined {
    const failure = this.#latest === undefined ? undefined : this.#failures.get(this.#latest)
    return this.#latest === undefined || failure === undefined ? undefined : this.#report(this.#latest, failure)
  }

  /** New and changed failures; they count as reported from now on. */
  takeNews (): BrokerFailure[] {
    const isNew = ({ reason, reported, reportedAt }: Failure) =>
      reason !== undefined && kindOf(reason) !== reported && performance.now() - (reportedAt.get(kindOf(reason)) ?? -Infinity) >= repeatAfterMs
    return [...this.#failures].filter(([, failure]) => isNew(failure)).flatMap(([broker, failure]) => this.#report(broker, failure) ?? [])
  }

  /** To be called when the broker is connected. */
  connected (broker: string): void {
    const failure = this.#failures.get(broker)
    if (failure) Object.assign(failure, { reason: undefined, reported: undefined })
    if (this.#latest === broker) this.#latest = undefined
  }

  #report (broker: string, { reason, reportedAt, ...failure }: Failure): BrokerFailure | undefined {
    if (reason === undefined) return undefined
    const now = performance.now()
    for (const [old, time] of reportedAt) if (now - time >= repeatAfterMs) reportedAt.delete(old)
    reportedAt.set(kindOf(reason), now)
    this.#failures.set(broker, { ...failure, reason, reportedAt, reported: kindOf(reason) })
    return { broker, reason }
  }
}
