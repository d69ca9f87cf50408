import type rdkafka from 'node-rdkafka'
import { BrokerFailures } from './broker-failures.js'
import { KafkaError } from './errors.js'
import { redactor } from './properties.js'
import { loggerOf } from './logger.js'
import type { ClientOptions } from './client-options.js'
import type { Statistics } from './types.js'

type Handle = rdkafka.Client<rdkafka.KafkaClientEvents>

/** Errors of an unreachable broker, from which librdkafka recovers. */
export const away = new Set(['ERR__ALL_BROKERS_DOWN', 'ERR__TRANSPORT', 'ERR__RESOLVE', 'ERR__TIMED_OUT'])
/** Errors of connections: a log line of facility FAIL has the reason and the broker. */
const unconnected = new Set([...away, 'ERR__SSL', 'ERR__AUTHENTICATION', 'ERR__BAD_MSG'])
/**
 * Whether an error is irrelevant to a reader without a group: the binding requires a `group.id`, librdkafka looks up its
 * coordinator, and a reader needs no right to that group.
 */
export const ofNoConcern = (error: unknown) => (error as KafkaError).codeName === 'ERR_GROUP_AUTHORIZATION_FAILED'
const repeatAfterMs = 10_000
/**
 * After this many statistics events without a broker, the handle is lost. A broker that has lost its cluster lists no brokers;
 * librdkafka forgets brokers that are not listed, sometimes its bootstrap servers too, and then never connects again (its issue 5301).
 */
const brokersLostAfter = 3

/** Creates a handle. @throws KafkaError for an unknown property or a bad value */
export function create<Kind> (create: () => Kind): Kind {
  try {
    return create()
  } catch (cause) {
    throw KafkaError.from(cause)
  }
}

/**
 * Opens a handle. Resolves when librdkafka runs, whether or not a broker answers. Rejects with a KafkaError for settings that
 * librdkafka checks only now, such as a missing CA file.
 */
export async function connect (handle: Handle): Promise<void> {
  // Connecting would include metadata of a broker, and the binding discards the handle when none comes in time.
  handle.getMetadata = (_options, callback) => callback?.(null as never, {} as rdkafka.Metadata)
  await new Promise<void>((resolve, reject) => {
    handle.connect({}, error => error ? reject(KafkaError.from(error)) : resolve())
  })
}

/** Properties that librdkafka checks only when it opens a handle, with those that belong to them. */
const checkedLate = /security\.protocol|ssl|sasl|oauthbearer|partition\.assignment\.strategy/
/** A valid value, which needs no check. */
const knownStrategy = 'cooperative-sticky'

/**
 * Opens a handle that will be attached. If librdkafka refuses a setting while it opens a handle with plugins, it frees the
 * interceptors twice and the process crashes (its issue 4142). So such settings are first tried on another handle without
 * plugins and brokers, which uses no network. Rejects as `connect` does.
 *
 * @param global the handle's properties, without those that make it attachable
 * @param newHandle creates another handle of the same kind
 */
export async function connectAttachable (handle: Handle, global: Record<string, unknown>, newHandle: (global: object) => rdkafka.Producer | rdkafka.KafkaConsumer): Promise<void> {
  const checked = Object.entries(global).filter(([name, value]) => checkedLate.test(name) && value !== knownStrategy)
  if (checked.length > 0) {
    // A consumer must have a group. With OIDC an open handle would request a token.
    const method = global['sasl.oauthbearer.method'] === undefined ? {} : { 'sasl.oauthbearer.method': 'default' }
    const twin = create(() => newHandle({ ...Object.fromEntries(checked), ...method, 'group.id': global['group.id'] ?? 'none' }))
    await connect(twin)
    await new Promise<void>(resolve => { twin.disconnect(() => resolve()) })
  }
  await connect(handle)
}

/** Waits for a callback, at most `limitMs`: librdkafka may wait longer for an unreachable broker. */
export async function withTimeout (limitMs: number, call: (done: () => void) => void): Promise<void> {
  await new Promise<void>(resolve => {
    const timer = setTimeout(resolve, limitMs)
    call(() => { clearTimeout(timer); resolve() })
  })
}

/** Returns a function that says whether an error is new: none with its code and topic was passed within the last 10 s. */
export function throttleRepeats (): (error: KafkaError, topic?: string) => boolean {
  const isNew = throttleTexts()
  return ({ codeName }, topic = '') => isNew(`${codeName} ${topic}`, '')
}

/** Returns a function that says whether a text is new: not the latest of its kind, or that one is older than 10 s. */
function throttleTexts (): (kind: string, text: string) => boolean {
  const latest = new Map<string, { text: string, at: number }>()
  return (kind, text) => {
    const last = latest.get(kind)
    const now = performance.now()
    if (last !== undefined && last.text === text && now - last.at < repeatAfterMs) return false
    latest.set(kind, { text, at: now })
    return true
  }
}

/** Turns a handle's events into log lines and states. An unreachable broker is one line with the reason, not one a second. */
export function bindEvents (handle: Handle, options: ClientOptions, on: {
  statistics?: (statistics: Statistics) => void
  /** Whether nothing is acknowledged, although a broker is connected. */
  isUnresponsive?: () => boolean
  /** A closed client reports no broker states. */
  isClosed: () => boolean
  /** librdkafka has given the handle up. */
  fatal: (error: KafkaError) => void
  /** It knows no broker any more and will never find one. */
  brokersLost: (error: KafkaError) => void
}): void {
  const { onState, onStatistics } = options
  const logger = loggerOf(options)
  let up: boolean | undefined
  let withoutBrokers = 0
  const failures = new BrokerFailures(options)
  const isNew = throttleRepeats()
  const isNewLine = throttleTexts()
  const broker = (isUp: boolean, isConnected = isUp) => {
    if (isUp === up || on.isClosed()) return
    if (!isUp && isConnected) logger.warn({}, 'kafka: the broker acknowledges nothing: it does not answer, or the topic is missing')
    else if (!isUp) logger.warn({ ...failures.takeLatest() }, 'kafka: no broker can be reached')
    else if (up === false) logger.info({}, 'kafka: the broker answers again')
    up = isUp
    onState?.({ type: isUp ? 'broker-back' : 'broker-away' })
  }
  const redact = redactor(options)
  handle.on('event.log', ({ severity, fac, message: text }) => {
    const message = redact(text)
    // Only this line marks an error as fatal: librdkafka's C++ layer gives the error event the code of the cause.
    if (fac === 'FATAL' && severity === 0) on.fatal(KafkaError.fromFatal(message))
    if (fac === 'FAIL') failures.add(severity, message)
    // One properties file serves producers and consumers, so a property of the other kind is no mistake.
    const isOfOtherKind = fac === 'CONFWARN' && message.includes('property and will be ignored by this')
    const isDebug = fac === 'FATAL' || fac === 'FAIL' || isOfOtherKind || severity > 6 || !isNewLine(fac, message.replaceAll(/\d+/g, ''))
    logger[isDebug ? 'debug' : severity > 4 ? 'info' : severity === 4 ? 'warn' : 'error']({ fac }, `kafka: ${message}`)
  })
  handle.on('event.error', cause => {
    const error = KafkaError.from(cause)
    if (error.codeName === 'ERR__ALL_BROKERS_DOWN') return broker(false)
    if (!unconnected.has(error.codeName) && !on.isClosed() && isNew(error)) logger.warn({ err: error }, 'kafka: error')
  })
  handle.on('event.stats', ({ message }) => {
    const statistics = JSON.parse(message) as Statistics
    const brokers = Object.values(statistics.brokers)
    for (const { state, nodename = '' } of brokers) if (state === 'UP') failures.connected(nodename)
    const isConnected = brokers.some(({ state }) => state === 'UP')
    const isUp = isConnected && !on.isUnresponsive?.()
    // Before the first connection a broker is not "away" yet; ERR__ALL_BROKERS_DOWN reports that.
    if (isUp || up) broker(isUp, isConnected)
    if (up !== undefined && !on.isClosed()) {
      for (const failure of failures.takeNews()) logger.warn(failure, isConnected ? 'kafka: a broker cannot be reached' : 'kafka: no broker can be reached')
    }
    on.statistics?.(statistics)
    if (!on.isClosed()) onStatistics?.(statistics)
    withoutBrokers = brokers.every(({ source }) => source === 'logical' || source === 'internal') ? withoutBrokers + 1 : 0
    if (withoutBrokers === brokersLostAfter) on.brokersLost(new KafkaError('ERR__ALL_BROKERS_DOWN', 'librdkafka knows no broker any more'))
  })
}
