import { createReply, replyTopic, validator, type Event, type Request, type RequestTopic } from '@pair/events'
import type { OutgoingMessage } from '@pair/kafka'
import type { Static, TSchema } from 'typebox'
import { v7 as newId } from 'uuid'
import { faultOf, permanent, transient } from '../database/faults.js'
import type { HandleContext } from '../messages/consumer.js'
import { isReplyError, ReplyError } from './errors.js'
import type { AnswerOutcome } from './metrics.js'
import { requestSpan } from './span.js'

/** A request is still answered for this long after its deadline, in ms: the clocks of two machines differ. */
const clockDifferenceMs = 5000
/** Of errors that say nothing of their cause; a consumer's default. */
const defaultAttempts = 5

/** Returns the reply, or throws: a `ReplyError` is sent to who has asked, and what it may do besides is a consumer's. */
export type Answer<Data, Reply> = (request: Request<Data>, context: HandleContext) => Reply | Promise<Reply>

interface Answering<Data extends TSchema, Reply extends TSchema> {
  topic: RequestTopic<Data, Reply>
  answer: Answer<Static<Data>, Static<Reply>>
  /** After how many the consumer gives up. */
  attempts?: number | undefined
  /** `source` of the replies. */
  source: string
  /** Of the reply topic, as the broker knows it. */
  replyName: string
  /** Resolves when the broker has acknowledged the reply. */
  send: (message: OutgoingMessage) => Promise<unknown>
  outcomes: Record<AnswerOutcome, number>
}

/**
 * Returns the handler of a topic's requests: it answers, and returns when the reply is acknowledged, so that the request is
 * committed after that, and so is the transaction. A request that comes again is answered again, unless the service has a
 * database whose inbox knows it; who has asked takes the first reply.
 *
 * - a `ReplyError` is the reply: what the answer has written is undone, and the request is done
 * - a permanent error, and an unknown one at the last attempt, is told to who has asked; the request is dead-lettered
 * - a transient error is not told: the request waits, and expires
 */
export function answerHandler<Data extends TSchema, Reply extends TSchema> (options: Answering<Data, Reply>) {
  const { topic, answer, attempts = defaultAttempts, source, replyName, outcomes } = options
  const check = validator(replyTopic(topic).data)
  // Each attempt gets the same event.
  const failures = new WeakMap<object, number>()

  return async function handle (event: Event<Static<Data>>, context: HandleContext): Promise<'ignored' | undefined> {
    const request = event as Request<Static<Data>>
    if (Date.now() > Date.parse(request.expirytime ?? '') + clockDifferenceMs) {
      outcomes.expired += 1
      context.log.info('the request has expired, and is not answered')
      return 'ignored'
    }
    try {
      await context.db?.query('savepoint answer')
      const data = await answer(request, context)
      const checked = check(data)
      if (!checked.ok) throw permanent(new Error(`no reply of ${topic.name}: ${checked.error.replaceAll('event', 'data')}`))
      await send(request, { data })
      outcomes.answered += 1
    } catch (error) {
      if (isReplyError(error)) {
        await context.db?.query('rollback to savepoint answer')
        await send(request, { error: { code: error.code, message: error.message } })
        outcomes.refused += 1
        context.log.info({ code: error.code }, 'the request is refused')
        return undefined
      }
      const refusal = refusalOf(request, error)
      if (refusal !== undefined) {
        await send(request, { error: refusal })
        outcomes.refused += 1
      }
      throw error
    }
    return undefined
  }

  function refusalOf (request: Request, error: unknown) {
    const fault = faultOf(error)
    if (fault === 'permanent') return { code: 'ERR_REFUSED', message: 'the request is refused' }
    const failed = (failures.get(request) ?? 0) + Number(fault === 'unknown')
    failures.set(request, failed)
    return fault === 'unknown' && failed >= attempts ? { code: 'ERR_FAILED', message: 'the request could not be answered' } : undefined
  }

  async function send (request: Request, reply: { data: Static<Reply> } | { error: Pick<ReplyError, 'code' | 'message'> }): Promise<void> {
    const event = createReply(topic, request, { id: newId(), source, time: new Date(), ...reply })
    const message = { topic: replyName, key: request.correlationid, value: JSON.stringify(event) }
    try {
      await requestSpan(replyName, event, async () => await options.send(message))
    } catch (error) {
      // The broker is away or refuses to write: the request waits. A reply that is too large always will be.
      throw (error as { retriable?: boolean }).retriable === false ? permanent(error) : transient(error)
    }
  }
}
