import type rdkafka from 'node-rdkafka'
import { BrokerFailures } from './broker-failures.js'
import { KafkaError } from './errors.js'
import { redactor } from './properties.js'
import { loggerOf } from './logger.js'
import type { ClientOptions, Statistics } from './types.js'

type Handle = rdkafka.Client<rdkafka.KafkaClientEvents>

/** Errors of a broker that cannot be reached, which librdkafka gets over by itself. */
export const away = new Set(['ERR__ALL_BROKERS_DOWN', 'ERR__TRANSPORT', 'ERR__RESOLVE', 'ERR__TIMED_OUT'])
/** What a connection fails with: why stands in a line of its own, with the broker. */
const unconnected = new Set([...away, 'ERR__SSL', 'ERR__AUTHENTICATION', 'ERR__BAD_MSG'])
/**
 * What a reader without a group is told: librdkafka asks for the coordinator of each `group.id`, without which the binding
 * opens no consumer, and a right to that group is none that the reader needs.
 */
export const ofNoConcern = (error: unknown) => (error as KafkaError).codeName === 'ERR_GROUP_AUTHORIZATION_FAILED'
const repeatAfterMs = 10_000
/**
 * So many statistics in a row without a broker. A broker that has itself lost its cluster names none, and librdkafka
 * forgets those that it is not named, at times its bootstrap servers with them: then it never asks anybody again (its
 * issue 5301).
 */
const brokersLostAfter = 3

/** Makes a handle. @throws KafkaError where the binding throws: for a property that it does not know, or a bad value */
export function create<Kind> (create: () => Kind): Kind {
  try {
    return create()
  } catch (cause) {
    throw KafkaError.from(cause)
  }
}

/**
 * Opens a handle. Resolves when librdkafka runs, whether or not a broker answers: it goes on looking for one by itself.
 * Rejects with a KafkaError for settings that librdkafka checks only now, such as a missing CA file.
 */
export async function connect (handle: Handle): Promise<void> {
  // The binding calls a broker's metadata part of connecting, and throws the handle away when none comes in time.
  handle.getMetadata = (_options, callback) => callback?.(null as never, {} as rdkafka.Metadata)
  await new Promise<void>((resolve, reject) => {
    handle.connect({}, error => error ? reject(KafkaError.from(error)) : resolve())
  })
}

/** What librdkafka checks only when it opens a handle, with what belongs to it. */
const checkedLate = /security\.protocol|ssl|sasl|oauthbearer|partition\.assignment\.strategy/
/** Right for sure: ours. */
const knownStrategy = 'cooperative-sticky'

/**
 * Opens a handle that is to be attached. Where librdkafka refuses a setting only now and a plugin is loaded, it frees the
 * plugin's interceptors twice, and the process crashes (its issue 4142). So such settings are tried on another handle
 * before, without plugins and brokers, which costs no network. Rejects as `connect` does.
 *
 * @param global its properties, without those that make it attachable
 * @param newHandle makes another one of its kind
 */
export async function connectAttachable (handle: Handle, global: Record<string, unknown>, newHandle: (global: object) => rdkafka.Producer | rdkafka.KafkaConsumer): Promise<void> {
  const checked = Object.entries(global).filter(([name, value]) => checkedLate.test(name) && value !== knownStrategy)
  if (checked.length > 0) {
    // A consumer must have a group. For OIDC a handle asks for a token as soon as it is open.
    const method = global['sasl.oauthbearer.method'] === undefined ? {} : { 'sasl.oauthbearer.method': 'default' }
    const twin = create(() => newHandle({ ...Object.fromEntries(checked), ...method, 'group.id': global['group.id'] ?? 'none' }))
    await connect(twin)
    await new Promise<void>(resolve => { twin.disconnect(() => resolve()) })
  }
  await connect(handle)
}

/** Waits for a callback, but not longer than `limitMs`: librdkafka may still be waiting for a broker that is away. */
export async function withTimeout (limitMs: number, call: (done: () => void) => void): Promise<void> {
  await new Promise<void>(resolve => {
    const timer = setTimeout(resolve, limitMs)
    call(() => { clearTimeout(timer); resolve() })
  })
}

/** Tells an error from one of its code, and of the same topic, that was told less than 10 s ago. */
export function throttleRepeats (): (error: KafkaError, topic?: string) => boolean {
  const isNews = noRepeats()
  return ({ codeName }, topic = '') => isNews(`${codeName} ${topic}`, '')
}

/** Tells a text from the same one that was told less than 10 s ago; of each kind the last one is kept. */
function noRepeats (): (kind: string, text: string) => boolean {
  const told = new Map<string, { text: string, at: number }>()
  return (kind, text) => {
    const last = told.get(kind)
    const now = performance.now()
    if (last !== undefined && last.text === text && now - last.at < repeatAfterMs) return false
    told.set(kind, { text, at: now })
    return true
  }
}

/** Turns a handle's events into log lines and state: a broker that is away is one line, with the reason, and not one a second. */
export function bindEvents (handle: Handle, options: ClientOptions, on: {
  statistics?: (statistics: Statistics) => void
  /** Whether nothing is acknowledged, although a broker is connected. */
  isUnresponsive?: () => boolean
  /** Then the broker's state is nobody's concern any more. */
  isClosed: () => boolean
  /** librdkafka has given the handle up. */
  fatal: (error: KafkaError) => void
  /** It knows no broker any more, and will never find one. */
  brokersLost: (error: KafkaError) => void
}): void {
  const { onState, onStatistics } = options
  const logger = loggerOf(options)
  let up: boolean | undefined
  let withoutBrokers = 0
  const failures = new BrokerFailures(options)
  const isNews = throttleRepeats()
  const isNewLine = noRepeats()
  const broker = (isUp: boolean, isConnected = isUp) => {
    if (isUp === up || on.isClosed()) return
    if (!isUp && isConnected) logger.warn({}, 'kafka: the broker acknowledges nothing: it does not answer, or the topic is missing')
    else if (!isUp) logger.warn({ ...failures.takeLatest() }, 'kafka: no broker can be reached')
    else if (up === false) logger.info({}, 'kafka: the broker answers again')
    up = isUp
    onState?.({ type: isUp ? 'broker-back' : 'broker-away' })
  }
  const redact = redactor(options)
  handle.on('event.log', ({ severity, fac, message: said }) => {
    const message = redact(said)
    // librdkafka's C++ layer gives an error event the code of the cause, so that this line is all that tells a fatal one.
    if (fac === 'FATAL' && severity === 0) on.fatal(KafkaError.fromFatal(message))
    if (fac === 'FAIL') failures.add(severity, message)
    // A properties file is for producers and consumers alike.
    const isOfOtherKind = fac === 'CONFWARN' && message.includes('property and will be ignored by this')
    const isTold = fac === 'FATAL' || fac === 'FAIL' || isOfOtherKind || severity > 6 || !isNewLine(fac, message.replaceAll(/\d+/g, ''))
    logger[isTold ? 'debug' : severity > 4 ? 'info' : severity === 4 ? 'warn' : 'error']({ fac }, `kafka: ${message}`)
  })
  handle.on('event.error', cause => {
    const error = KafkaError.from(cause)
    if (error.codeName === 'ERR__ALL_BROKERS_DOWN') return broker(false)
    if (!unconnected.has(error.codeName) && !on.isClosed() && isNews(error)) logger.warn({ err: error }, 'kafka: error')
  })
  handle.on('event.stats', ({ message }) => {
    const statistics = JSON.parse(message) as Statistics
    const brokers = Object.values(statistics.brokers)
    for (const { state, nodename = '' } of brokers) if (state === 'UP') failures.over(nodename)
    const isConnected = brokers.some(({ state }) => state === 'UP')
    const isUp = isConnected && !on.isUnresponsive?.()
    // Before the first connection "not yet" is not "away"; librdkafka says ERR__ALL_BROKERS_DOWN where it is.
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
