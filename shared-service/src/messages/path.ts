import { isUtf8 } from 'node:buffer'
import type { FastifyBaseLogger } from 'fastify'
import type { Message, OutgoingMessage } from 'shared-kafka'
import { decoder, type Decoded, type Event, type Topic } from 'shared-topics'
import type { Static, TSchema } from 'typebox'
import { describeError } from '../logging/errors.js'
import { Outage } from '../logging/outage.js'
import type { PathMetrics } from '../metrics/messages.js'
import { processSpan } from '../tracing/spans.js'
import { spanContextOf } from '../tracing/traceparent.js'
import { InOrder } from '../waiting/in-order.js'
import { Slots } from '../waiting/slots.js'
import { backoffMs, wait } from '../waiting/wait.js'
import { cuts, deadLetter, type Failure } from './dead-letters.js'
import { InFlight } from './in-flight.js'
import { retry } from './retry.js'

/** As many as the database has connections: more would only wait for one until that counts as a failure. */
const connections = 10
const deadLetterCapMs = 5000

/** What an event did: `created` what follows from it, `kept` what was there already, or was `seen` before. */
export type Effect = 'created' | 'kept' | 'seen'

/**
 * What a service does with an event: stores its effect and the mark that it was seen in one transaction, and returns, or
 * throws. An event that is marked already has no effect again. Commits, retries and dead letters are not its business.
 * Returning nothing means `created`.
 */
export type Handle<Data> = (event: Event<Data>, log: FastifyBaseLogger) => Promise<Effect | void>

export interface PathOptions<Schema extends TSchema> {
  topic: Topic<Schema>
  handle: Handle<Static<Schema>>
  /** The consumer group, for dead letters: each group has its own failures. */
  group: string
  /** How many events are handled at once. The default suits a handler that takes a connection for each. */
  atOnce?: number
  /** Resolves when the broker has acknowledged the dead letter. */
  sendDeadLetter: (record: OutgoingMessage) => Promise<unknown>
  metrics: PathMetrics
  log: FastifyBaseLogger
}

/** The way of each message from the topic to its commit. Nothing else commits. */
export class MessagePath<Schema extends TSchema> {
  readonly inFlight = new InFlight()
  readonly #options: PathOptions<Schema>
  readonly #decode: (value: Buffer | null) => Decoded<Static<Schema>>
  readonly #inOrder = new InOrder()
  readonly #slots: Slots
  readonly #stop = new AbortController()
  readonly #database: Outage
  readonly #deadLetters: Outage

  constructor (options: PathOptions<Schema>) {
    this.#options = options
    this.#decode = decoder(options.topic)
    this.#slots = new Slots(() => options.atOnce ?? connections)
    this.#database = new Outage(options.log, 'what the handler depends on')
    this.#deadLetters = new Outage(options.log, 'the dead-letter topic')
  }

  /** The listener for `fastify.kafka.on`. Never throws. */
  readonly listener = (message: Message, commit: () => void): void => {
    this.#options.metrics.consumed += 1
    // 1. decode, 2. validate
    const decoded = this.#read(message)
    const key = message.key?.toString('latin1') ?? (decoded.ok ? decoded.event.subject : undefined)

    // Messages of one key go one after the other; without a key the subject of the event says what belongs together.
    const done = key === undefined
      ? this.#process(message, decoded, commit)
      : this.#inOrder.run(key, () => this.#process(message, decoded, commit))
    this.inFlight.add(message, done)
  }

  /** Aborts waits between attempts and waits for what is being handled. What is not committed then comes again. */
  async stop (): Promise<void> {
    this.#stop.abort()
    await this.inFlight.settled()
  }

  #read (message: Message): Decoded<Static<Schema>> {
    if (message.key !== null && !isUtf8(message.key)) return { ok: false, reason: 'not-decodable', error: 'the key is not UTF-8' }
    return this.#decode(message.value)
  }

  async #process (message: Message, decoded: Decoded<Static<Schema>>, commit: () => void): Promise<void> {
    const { topic, partition, offset } = message
    const { metrics, group } = this.#options
    const sinceMs = performance.now()
    const event = decoded.ok ? decoded.event : undefined
    const created = spanContextOf(event?.traceparent)
    const log = this.#options.log.child({ topic, partition, offset, ...(event && { eventId: event.id }), ...(created && { trace_id: created.traceId }) })
    let outcome: Effect | Failure
    try {
      outcome = await processSpan({ message, eventId: event?.id, created, group }, async () => {
        // 3. skip if seen, 4. handle with retry: one step, because the mark and the effect are one transaction
        const outcome = decoded.ok ? await this.#handle(decoded.event, { topic, partition, offset, eventId: decoded.event.id }, log) : { ...decoded, attempts: 0 }

        // 5. dead-letter, 6. wait for its acknowledgement
        if (typeof outcome === 'object') await this.#sendDeadLetter(message, outcome, log)
        return outcome
      })
    } catch (err) {
      // Only a stop should get here. Without a commit the message comes again.
      if (!this.#stop.signal.aborted) log.error({ err }, 'message given back uncommitted: an error that nobody has handled')
      metrics.released()
      return message.release()
    }

    // 7. commit
    commit()
    metrics.ended(outcome, sinceMs, event?.time)
  }

  /**
   * @param held what is named in the log while it waits for a dependency
   * @returns what the event did, or why it cannot be processed
   */
  async #handle (event: Event<Static<Schema>>, held: object, log: FastifyBaseLogger): Promise<Effect | Failure> {
    const { signal } = this.#stop
    const attempt = () => this.#slots.run(() => {
      signal.throwIfAborted()
      return this.#options.handle(event, log)
    })
    const outcome = await retry(attempt, {
      signal,
      onHold: error => this.#database.failed(error, held)
    })
    this.#database.recovered()
    if (outcome.ok) return outcome.result ?? 'created'
    return { reason: outcome.reason, error: describeError(outcome.error), attempts: outcome.attempts }
  }

  /**
   * For ever, if need be: giving up would mean to lose the message or to hold up its partition without a word. What the
   * broker refuses as it is (a value that was compressed better on its way here) goes without its headers, then its value.
   */
  async #sendDeadLetter (message: Message, failure: Failure, log: FastifyBaseLogger): Promise<void> {
    let cut = 0
    for (let failures = 1; ; failures++) {
      this.#stop.signal.throwIfAborted()
      const record = deadLetter(message, failure, this.#options.group, cuts[cut])
      try {
        await this.#options.sendDeadLetter(record)
        this.#deadLetters.recovered()
        log.warn({ reason: failure.reason, why: failure.error, attempts: failure.attempts, deadLetterTopic: record.topic, cut: cuts[cut] }, 'message dead-lettered')
        return
      } catch (error) {
        const { topic, partition, offset } = message
        this.#deadLetters.failed(error, { topic, partition, offset })
        const isRefused = (error as { retriable?: boolean }).retriable === false
        cut = isRefused ? (cut + 1) % cuts.length : 0
        if (cut === 0) await wait(backoffMs(failures, deadLetterCapMs), this.#stop.signal)
      }
    }
  }
}
