import type rdkafka from 'node-rdkafka'
import { KafkaError } from './errors.js'
import type { ClientOptions, Logger, Statistics } from './types.js'

type Handle = rdkafka.Client<rdkafka.KafkaClientEvents>

/** Errors of a broker that cannot be reached, which librdkafka gets over by itself. */
export const away = new Set(['ERR__ALL_BROKERS_DOWN', 'ERR__TRANSPORT', 'ERR__RESOLVE', 'ERR__TIMED_OUT'])
const repeatAfterMs = 10_000
/**
 * So many statistics in a row without a broker. A broker that has itself lost its cluster names none, and librdkafka
 * forgets those that it is not named, at times its bootstrap servers with them: then it never asks anybody again (its
 * issue 5301).
 */
const forgottenAfter = 3

export const silent: Logger = { debug () {}, info () {}, warn () {}, error () {} }

/** Makes a handle. @throws KafkaError where the binding throws: for a property that it does not know, or a bad value */
export function make<Kind> (create: () => Kind): Kind {
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
export async function open (handle: Handle): Promise<void> {
  // The binding calls a broker's metadata part of connecting, and throws the handle away when none comes in time.
  handle.getMetadata = (_options, callback) => callback?.(null as never, {} as rdkafka.Metadata)
  await new Promise<void>((resolve, reject) => {
    handle.connect({}, error => error ? reject(KafkaError.from(error)) : resolve())
  })
}

/** Waits for a callback, but not longer than `limitMs`: librdkafka may still be waiting for a broker that is away. */
export async function atMost (limitMs: number, call: (done: () => void) => void): Promise<void> {
  await new Promise<void>(resolve => {
    const timer = setTimeout(resolve, limitMs)
    call(() => { clearTimeout(timer); resolve() })
  })
}

/** Tells an error from one that was told less than 10 s ago. */
export function newsOnly (): (error: KafkaError) => boolean {
  let last = { code: 0, at: -Infinity }
  return ({ code }) => {
    const now = performance.now()
    if (code === last.code && now - last.at < repeatAfterMs) return false
    last = { code, at: now }
    return true
  }
}

/** Turns a handle's events into log lines and state: a broker that is away is one line, not one a second. */
export function watch (handle: Handle, { logger = silent, onState, onStatistics }: ClientOptions, on: {
  statistics?: (statistics: Statistics) => void
  /** Whether nothing is acknowledged, although a broker is connected. */
  isSilent?: () => boolean
  /** Then the broker's state is nobody's concern any more. */
  isClosed: () => boolean
  fatal: (error: KafkaError) => void
  /** It knows no broker any more, and will never find one. */
  forgotten: (error: KafkaError) => void
}): void {
  let up: boolean | undefined
  let withoutBrokers = 0
  const isNews = newsOnly()
  const broker = (isUp: boolean, isConnected = isUp) => {
    if (isUp === up || on.isClosed()) return
    if (!isUp) logger.warn({}, isConnected ? 'kafka: the broker acknowledges nothing: it does not answer, or the topic is missing' : 'kafka: no broker can be reached')
    else if (up === false) logger.info({}, 'kafka: the broker answers again')
    up = isUp
    onState?.({ type: isUp ? 'broker-back' : 'broker-away' })
  }
  handle.on('event.log', ({ severity, fac, message }) => {
    const level = fac === 'FAIL' || severity > 6 ? 'debug' : severity > 4 ? 'info' : severity === 4 ? 'warn' : 'error'
    logger[level]({ fac }, `kafka: ${message}`)
  })
  handle.on('event.error', cause => {
    const error = KafkaError.from(cause)
    if (error.codeName === 'ERR__FATAL') return on.fatal(error)
    if (error.codeName === 'ERR__ALL_BROKERS_DOWN') return broker(false)
    if (!away.has(error.codeName) && isNews(error)) logger.warn({ err: error }, 'kafka: error')
  })
  handle.on('event.stats', ({ message }) => {
    const statistics = JSON.parse(message) as Statistics
    const brokers = Object.values(statistics.brokers)
    const isConnected = brokers.some(({ state }) => state === 'UP')
    const isUp = isConnected && !on.isSilent?.()
    // Before the first connection "not yet" is not "away"; librdkafka says ERR__ALL_BROKERS_DOWN where it is.
    if (isUp || up) broker(isUp, isConnected)
    on.statistics?.(statistics)
    if (!on.isClosed()) onStatistics?.(statistics)
    withoutBrokers = brokers.every(({ source }) => source === 'logical' || source === 'internal') ? withoutBrokers + 1 : 0
    if (withoutBrokers === forgottenAfter) on.forgotten(new KafkaError('ERR__ALL_BROKERS_DOWN', 'librdkafka knows no broker any more'))
  })
}
