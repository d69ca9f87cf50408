import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { replyTopic, type RequestTopic, type Topic } from '@pair/events'
import { Producer, provisionTopics } from '@pair/kafka'
import type { Static, TSchema } from 'typebox'
import { delay } from '../concurrency/delay.js'
import { watchBroker, type BrokerState } from '../kafka/broker-state.js'
import type { ConsumerOptions } from '../messages/consumer.js'
import { shutdown } from '../limits.js'
import type { Settings } from '../settings/settings.js'
import { answerHandler, type Answer } from './answer.js'
import { Asker, type AskOptions } from './asker.js'
import { RequestReplyMetrics } from './metrics.js'

/** How long a stopping service waits for replies, in ms: less than its limit for HTTP requests, so that those can still be answered. */
const closeWithinMs = shutdown.requestsMs - 500

export type Ask<Data, Reply> = (data: Data, options: AskOptions) => Promise<Reply>
/** With `inbox: false` in a service with a database, a question that only reads leaves no inbox entry; `db` is then undefined. */
export type AnswerOptions = Pick<ConsumerOptions, 'concurrency' | 'retry' | 'inbox'>

export interface RequestReply {
  /** Topics of the sent requests. */
  sends: Topic[]
  /** The problem with asking or answering, for `checks`. */
  readonly problem: string | undefined
  /** The part of `problem` that is a missing permission. */
  readonly refused: string | undefined
  /** Disconnects from Kafka within 4 s. Call it when HTTP requests and messages are finished, since those may ask and answer. */
  close: () => Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    requestReply: RequestReply
    /**
     * Declares that the service sends requests of a topic. Returns the function that sends one and resolves with the data of its
     * reply. It rejects with an `AskError` (such as a timeout), a `ReplyError` of the answerer, or the reason of the signal. The
     * service reads replies from its start, so the first ask is as fast as later ones.
     */
    asks<Data extends TSchema, Reply extends TSchema> (topic: RequestTopic<Data, Reply>): Ask<Static<Data>, Static<Reply>>
    /** Sends a request without a declaration. The first ask of a topic waits until the service reads replies. */
    ask<Data extends TSchema, Reply extends TSchema> (topic: RequestTopic<Data, Reply>, data: Static<Data>, options: AskOptions): Promise<Static<Reply>>
    /** Answers the requests of a topic, in the service's consumer group, with the data that `answer` returns. */
    answer<Data extends TSchema, Reply extends TSchema> (topic: RequestTopic<Data, Reply>, answer: Answer<Static<Data>, Static<Reply>>, options?: AnswerOptions): void
  }
}

/** Request/reply over Kafka. Neither requests nor replies are durable: use the outbox for events that must not be lost. */
export const requestReply = fp(async (app: FastifyInstance, { name, settings, onFatal }: { name: string, settings: Settings, onFatal: (error: Error) => void }) => {
  const askers = new Map<string, { asker: Asker<TSchema, TSchema>, broker: BrokerState }>()
  const answered: Topic[] = []
  const sends: Topic[] = []
  const metrics = new RequestReplyMetrics(app.metrics.registry)
  const stop = new AbortController()
  const source = `/${name}`
  const sending = watchBroker(onFatal)
  let producer: Producer | undefined
  let closed: Promise<void> | undefined

  const common = { ...settings.kafka, 'client.id': name, 'topic.metadata.refresh.interval.ms': 5000, 'reconnect.backoff.max.ms': 1000, logger: app.log }
  const newProducer = () => new Producer({
    ...common,
    'message.max.bytes': 1_000_000_000, // the broker checks each topic's own limit
    'message.timeout.ms': 10_000,
    'topic.metadata.propagation.max.ms': 4000, // a request to a missing topic fails after this time
    'queue.buffering.max.kbytes': 65_536,
    headers: [{ 'content-type': 'application/cloudevents+json' }],
    closeTimeoutMs: shutdown.replyProducerMs,
    onState: sending.onState
  })

  function sharedProducer (): Producer {
    producer ??= newProducer()
    return producer
  }

  function askerOf<Data extends TSchema, Reply extends TSchema> (topic: RequestTopic<Data, Reply>): Asker<Data, Reply> {
    const known = askers.get(topic.name)
    if (known !== undefined) return known.asker as unknown as Asker<Data, Reply>
    const broker = watchBroker(onFatal)
    const asker = new Asker(topic, {
      source,
      kafkaName: app.kafkaName,
      connection: settings.kafka,
      reader: { ...common, 'fetch.wait.max.ms': settings.KAFKA_FETCH_WAIT_MAX_MS, onState: broker.onState },
      producer: sharedProducer,
      metrics,
      log: app.log
    })
    askers.set(topic.name, { asker: asker as unknown as Asker<TSchema, TSchema>, broker })
    sends.push(topic as unknown as Topic)
    return asker
  }

  app.decorate('requestReply', {
    sends,
    get problem () {
      if ([...askers.values()].some(({ broker }) => !broker.isBack)) return 'away'
      const unread = [...askers].find(([, { asker }]) => !asker.isReady)?.[0]
      return refused() ?? (unread && `replies to ${unread} are not read yet`)
    },
    get refused () { return refused() },
    close: async () => await (closed ??= leave())
  })

  app.decorate('asks', topic => {
    const asker = askerOf(topic)
    return (data, options) => asker.ask(data, options)
  })

  app.decorate('ask', (topic, data, options) => askerOf(topic).ask(data, options))

  app.decorate('answer', (topic, answer, options = {}) => {
    const replies = replyTopic(topic)
    const replyName = app.kafkaName(replies.name)
    const handle = answerHandler({
      topic,
      answer,
      attempts: options.retry?.attempts,
      source,
      replyName,
      outcomes: metrics.answersOf(app.kafkaName(topic.name)),
      send: message => sharedProducer().send({ messages: [message] })
    })
    answered.push({ ...replies, name: replyName } as unknown as Topic)
    app.consumer({ topic, handle, ...options } as ConsumerOptions<typeof topic.data>)
  })

  app.addHook('onReady', async () => {
    for (const { asker } of askers.values()) asker.open()
    provisionTopics(settings.kafka, answered, { logger: app.log, signal: stop.signal })
  })

  app.addHook('preClose', async () => {
    stop.abort()
    for (const { asker } of askers.values()) asker.closeWithin(closeWithinMs)
  })

  app.addHook('onClose', async () => await app.requestReply.close())

  function refused (): string | undefined {
    if (sending.refused !== undefined) return `requests or replies refused: ${sending.refused}`
    const [topic, asker] = [...askers].find(([, { broker }]) => broker.refused !== undefined) ?? []
    return asker && `replies to ${topic} refused: ${asker.broker.refused}`
  }

  async function leave (): Promise<void> {
    const late = new AbortController()
    const all = Promise.all([producer?.close(), ...[...askers.values()].map(async ({ asker }) => await asker.close())])
    await Promise.race([all, delay(shutdown.requestReplyMs, late.signal).catch(() => {})]).finally(() => late.abort())
  }
}, { name: 'request-reply', dependencies: ['metrics', 'contract'] })
