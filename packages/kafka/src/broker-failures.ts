import { redactor } from './properties.js'
import type { ClientOptions } from './types.js'

/** Why a broker cannot be reached. */
export interface BrokerFailure {
  /** host:port */
  broker: string
  reason: string
}

interface Failure {
  /** None while the broker is connected. */
  reason: string | undefined
  /** The reason that was told last. */
  told: string | undefined
  /** When each reason was told, in the last 10 s. */
  toldAt: Map<string, number>
}

/** The same reason of the same broker is told again after this long at the earliest. */
const repeatAfterMs = 10_000
/** Seven is debug: the same lines again, with more words. */
const longestSeverity = 6

// [thrd:ssl://host:9092/bootstrap]: ssl://host:9092/bootstrap: <reason> (after 3ms in state CONNECT, 1 identical error(s) suppressed)
const line = /^\[thrd:.*?\]: (?:(?:(\w+):\/\/)?(\S+)\/[\w-]+|GroupCoordinator: (\S+)): (.+?)(?: \(after \d+ms in state (\w+).*\))?$/

/**
 * Reads one of librdkafka's log lines with facility FAIL, where alone stands why a broker cannot be reached.
 *
 * @returns undefined for a line of another form, such as that of a broker whose address is not known yet
 */
export function readFailure (message: string): BrokerFailure | undefined {
  const [, protocol = 'plaintext', name, coordinator, text = '', state = ''] = line.exec(message) ?? []
  const broker = name ?? coordinator
  return broker === undefined ? undefined : { broker, reason: explain(text, state, protocol.endsWith('ssl')) }
}

/** librdkafka's words, with what they leave open. */
function explain (text: string, state: string, isTls: boolean): string {
  const size = /Invalid response size (-?\d+)/.exec(text)?.[1]
  if (size !== undefined && state !== 'UP') return `what answers is no Kafka listener${isTls ? '' : ' without TLS'}: its first bytes are ${bytes(Number(size))}`
  // librdkafka asks to look at ssl.ca.location, whatever is wrong with the certificate.
  if (text.includes('certificate verify failed')) return 'certificate verify failed: its authority is not in ssl.ca.location, it is for another name, or it has expired'
  if (text.startsWith('Disconnected') && state === 'APIVERSION_QUERY' && !isTls) return `${text}: is it a TLS listener?`
  // librdkafka asks so itself, unless it finds the connection closed as soon as it has said hello.
  if (text.startsWith('Disconnected: SSL') && ['CONNECT', 'SSL_HANDSHAKE'].includes(state)) return `${text}: connecting to a PLAINTEXT broker listener?`
  if (/SSL alert number/.test(text)) return `${text}: the broker refuses the client's certificate, or there is none`
  return text
}

/** The length that Kafka's protocol begins with is what something else has said: "HTTP", or a TLS alert. */
function bytes (size: number): string {
  const first = Buffer.alloc(4)
  first.writeInt32BE(size)
  return JSON.stringify(first.toString('latin1').replaceAll(/[^ -~]/g, '.'))
}

/** Two addresses of one name fail in turn, for the same reason; and a connection that is closed is at times one that was reset. */
const kindOf = (reason: string) => reason.replace(/ipv[46]#\S+/, '').replace(/^Disconnected: connection [^:]*(: receive 0 after POLLIN)?/, 'Disconnected').replaceAll(/\d+/g, '')

/** The brokers that cannot be reached, and why: each reason is told once, and again when it changes. */
export class BrokerFailures {
  readonly #failures = new Map<string, Failure>()
  readonly #redact: (text: string) => string
  #latest: string | undefined

  constructor (options: ClientOptions) {
    this.#redact = redactor(options)
  }

  /** Takes one of librdkafka's log lines with facility FAIL. */
  add (severity: number, message: string): void {
    const failure = severity <= longestSeverity ? readFailure(message) : undefined
    if (failure === undefined) return
    const reason = this.#redact(failure.reason)
    const known = this.#failures.get(failure.broker)
    this.#failures.set(failure.broker, { told: undefined, toldAt: new Map(), ...known, reason })
    this.#latest = failure.broker
  }

  /** What stands against each broker now. */
  get all (): BrokerFailure[] {
    return [...this.#failures].flatMap(([broker, { reason }]) => reason === undefined ? [] : [{ broker, reason }])
  }

  /** The latest, which counts as told from here on. */
  takeLatest (): BrokerFailure | undefined {
    const failure = this.#latest === undefined ? undefined : this.#failures.get(this.#latest)
    return this.#latest === undefined || failure === undefined ? undefined : this.#tell(this.#latest, failure)
  }

  /** Those that are new or have changed, which count as told from here on. */
  takeNews (): BrokerFailure[] {
    const isNews = ({ reason, told, toldAt }: Failure) =>
      reason !== undefined && kindOf(reason) !== told && performance.now() - (toldAt.get(kindOf(reason)) ?? -Infinity) >= repeatAfterMs
    return [...this.#failures].filter(([, failure]) => isNews(failure)).flatMap(([broker, failure]) => this.#tell(broker, failure) ?? [])
  }

  /** The broker is connected. */
  over (broker: string): void {
    const failure = this.#failures.get(broker)
    if (failure) Object.assign(failure, { reason: undefined, told: undefined })
    if (this.#latest === broker) this.#latest = undefined
  }

  #tell (broker: string, { reason, toldAt, ...failure }: Failure): BrokerFailure | undefined {
    if (reason === undefined) return undefined
    const now = performance.now()
    for (const [old, at] of toldAt) if (now - at >= repeatAfterMs) toldAt.delete(old)
    toldAt.set(kindOf(reason), now)
    this.#failures.set(broker, { ...failure, reason, toldAt, told: kindOf(reason) })
    return { broker, reason }
  }
}
