import { isUtf8 } from 'node:buffer'
import type { FastifyBaseLogger } from 'fastify'
import type { Message } from '@pair/kafka'
import { decoder, isFor, type Decoded, type Event } from '@pair/events'
import type { Static, TSchema } from 'typebox'
import type { CrashGuard } from '../crash-guard/crash-guard.js'
import { KeyedQueue } from '../concurrency/keyed-queue.js'
import type { Inbox, Outcome } from '../inbox/inbox.js'
import { describeError } from '../logging/errors.js'
import { spanContextOf } from '../tracing/traceparent.js'
import type { ConsumerOptions } from './consumer.js'
import { DeadLetterSender, type DeadLetterOptions } from './dead-letter-sender.js'
import { originOf, type Failure } from './dead-letters.js'
import { DependencyWait } from './dependency-wait.js'
import { Handler } from './handler.js'
import { InFlight } from './in-flight.js'
import type { ProcessorMetrics } from './metrics.js'
import { checkPolicy, retry } from './retry.js'
import { processSpan } from './span.js'
import { Stepping, type Step } from './stepping.js'

export type ProcessorOptions<Schema extends TSchema = TSchema> = DeadLetterOptions & {
  consumer: ConsumerOptions<Schema>
  /** Only in a service with a database. Without it, an event that is delivered twice is handled twice. */
  inbox?: Inbox | undefined
  /** Only in a service with a database. Without it, a message that kills the process blocks its partition permanently. */
  guard?: CrashGuard | undefined
  metrics: ProcessorMetrics
}

/** Processes each message of a topic, from decoding to its commit. Nothing else commits. */
export class MessageProcessor<Schema extends TSchema> {
  readonly inFlight = new InFlight()
  readonly #options: ProcessorOptions<Schema>
  readonly #decode: ReturnType<typeof decoder<Schema>>
  readonly #keys = new KeyedQueue()
  readonly #stop = new AbortController()
  readonly #handler: Handler<Schema>
  readonly #deadLetters: DeadLetterSender
  readonly #wait: DependencyWait
  readonly #stepping: Stepping | undefined

  constructor (options: ProcessorOptions<Schema>) {
    const { consumer, log } = options
    checkPolicy(consumer.retry ?? {})
    this.#options = options
    this.#decode = decoder(consumer.topic)
    this.#handler = new Handler(consumer, { ...options, signal: this.#stop.signal })
    this.#deadLetters = new DeadLetterSender(options, this.#stop.signal)
    this.#wait = new DependencyWait(log)
    this.#stepping = options.guard && new Stepping(options.guard, log, this.#stop.signal, this.#wait)
  }

  /** The listener for `fastify.kafka.on`. Never throws. */
  readonly listener = (message: Message, commit: () => void): void => {
    this.#options.metrics.consumed += 1
    const take = (step?: Step) => this.#enqueue(message, commit, step)
    this.inFlight.add(message, this.#stepping ? this.#stepping.route(message, take) : take())
  }

  /** The handler has been waiting for a dependency for 10 s, and no message has succeeded since. */
  get isWaiting (): boolean {
    return this.#wait.isLong
  }

  /** Aborts the waits between attempts, and waits up to 2.2 s for running handlers. Uncommitted messages are redelivered. */
  async stop (): Promise<void> {
    this.#stop.abort()
    await this.inFlight.settled()
  }

  /** Messages of one key are processed in order. For a message without a key, the subject of its event takes the key's place. */
  #enqueue (message: Message, commit: () => void, step?: Step): Promise<Outcome | undefined> {
    // 1. decode, 2. validate
    const decoded = this.#read(message)
    const key = message.key?.toString('latin1') ?? (decoded.ok ? decoded.event.subject : undefined)
    const process = () => this.#process(message, decoded, commit, step)
    if (!decoded.ok || (key !== undefined && this.#keys.has(key))) step?.isOver()
    return key === undefined ? process() : this.#keys.run(key, process)
  }

  #read (message: Message): Decoded<Static<Schema>> {
    if (message.key !== null && !isUtf8(message.key)) return { ok: false, reason: 'not-decodable', error: 'the key is not UTF-8' }
    return this.#decode(message.value, message.headers)
  }

  async #process (message: Message, decoded: Decoded<Static<Schema>>, commit: () => void, step?: Step): Promise<Outcome | undefined> {
    const { topic, partition, offset } = message
    const { metrics, group } = this.#options
    const sinceMs = performance.now()
    const event = decoded.ok ? decoded.event : undefined
    const created = spanContextOf(event?.traceparent)
    const log = this.#options.log.child({ topic, partition, offset, ...(event && { eventId: event.id }), ...(created && { trace_id: created.traceId }) })
    let outcome: Outcome | Failure
    try {
      outcome = await processSpan({ message, eventId: event?.id, created, group }, async () => {
        if (!isFor(group, message.headers)) {
          log.info('replay for other groups, ignored')
          return 'ignored'
        }
        // 3. skip if processed before, 4. handle with retry: one step, because inbox entry and effect are one transaction
        const outcome = decoded.ok ? await this.#handle(message, decoded.event, log, step) : { ...decoded, attempts: 0 }

        // 5. dead-letter, 6. wait for its acknowledgement
        if (typeof outcome === 'object') await this.#deadLetters.send(message, outcome, log)
        return outcome
      })
    } catch (err) { // expected only while stopping; without a commit the message is redelivered
      if (!this.#stop.signal.aborted) log.error({ err }, 'message released uncommitted: unexpected error')
      metrics.released()
      message.release()
      return undefined
    }

    // 7. commit
    commit()
    metrics.ended(outcome, sinceMs, event?.time)
    return typeof outcome === 'object' ? undefined : outcome
  }

  /** @returns the outcome of the event, or the reason why it cannot be processed */
  async #handle (message: Message, event: Event<Static<Schema>>, log: FastifyBaseLogger, step?: Step): Promise<Outcome | Failure> {
    if (step?.hasCrashed) return { reason: 'crashed', error: 'its handling has killed the process at least three times', attempts: 3 }
    const item = { event, log, origin: originOf(message) }
    const attempted = await retry(async () => await this.#handler.attempt(item, step), {
      signal: this.#stop.signal,
      policy: this.#options.consumer.retry ?? {},
      onTransient: error => this.#wait.failed(message, error, event.id)
    })
    const isDuplicate = attempted.ok && attempted.result.outcome === 'duplicate'
    this.#wait.ended(message, attempted.ok && !isDuplicate)
    if (!attempted.ok) return { reason: attempted.reason, error: describeError(attempted.error), attempts: attempted.attempts }
    if (attempted.result.isOther) {
      this.#options.metrics.collisions += 1
      log.warn('another event with the same source and id was processed before, this one has no effect')
    } else if (isDuplicate) log.info('event seen before, nothing to do')
    return attempted.result.outcome
  }
}
