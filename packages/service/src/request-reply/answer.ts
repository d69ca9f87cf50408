import { createReply, replyTopic, validator, type Event, type Request, type RequestTopic } from '@pair/events'
import type { OutgoingMessage } from '@pair/kafka'
import type { Static, TSchema } from 'typebox'
import { v7 as newId } from 'uuid'
import { faultOf, permanent, transient } from '../database/faults.js'
import type { HandleContext } from '../messages/consumer.js'
import { isReplyError, ReplyError } from './errors.js'
import type { AnswerOutcome } from './metrics.js'
import { requestSpan } from './span.js'

/** A request is answered until this long after its deadline, in ms, because the clocks of two machines differ. */
const clockDifferenceMs = 5000
/** Attempts after unknown errors, as for any consumer. */
const defaultAttempts = 5

/** Answers a request: returns the reply's data, or throws. A `ReplyError` is sent to the asker; any other error is handled as in a consumer. */
export type Answer<Data, Reply> = (request: Request<Data>, context: HandleContext) => Reply | Promise<Reply>

interface Answering<Data extends TSchema, Reply extends TSchema> {
  topic: RequestTopic<Data, Reply>
  answer: Answer<Static<Data>, Static<Reply>>
  /** Attempts after which the consumer gives up. */
  attempts?: number | undefined
  /** `source` of the replies. */
  source: string
  /** Name of the reply topic on the broker. */
  replyName: string
  /** Resolves when the broker has acknowledged the reply. */
  send: (message: OutgoingMessage) => Promise<unknown>
  outcomes: Record<AnswerOutcome, number>
}

/**
 * Returns the handler of a topic's requests. It answers and waits for the reply's acknowledgement; transaction and request are
 * committed after that. A redelivered request is answered again, unless the inbox of a service with a database knows it; the
 * asker takes the first reply.
 *
 * - `ReplyError`: it is sent as the reply, the answer's writes are rolled back, and the request is committed
 * - a permanent error, or an unknown one at the last attempt: an error reply is sent, and the request is dead-lettered
 * - a transient error: nothing is sent; the request is retried until it expires
 */
export function answerHandler<Data extends TSchema, Reply extends TSchema> (options: Answering<Data, Reply>) {
  const { topic, answer, attempts = defaultAttempts, source, replyName, outcomes } = options
  const check = validator(replyTopic(topic).data)
  // Keyed by the event object, which is the same in all attempts.
  const failures = new WeakMap<object, number>()

  return async function handle (event: Event<Static<Data>>, context: HandleContext): Promise<'ignored' | undefined> {
    const request = event as Request<Static<Data>>
    if (Date.now() > Date.parse(request.expirytime ?? '') + clockDifferenceMs) {
      outcomes.expired += 1
      context.log.info('request expired, not answered')
      return 'ignored'
    }
    try {
      await context.db?.query('savepoint answer')
      const data = await answer(request, context)
      const checked = check(data)
      if (!checked.ok) throw permanent(new Error(`invalid reply of ${topic.name}: ${checked.error.replaceAll('event', 'data')}`))
      await send(request, { data })
      outcomes.answered += 1
    } catch (error) {
      if (isReplyError(error)) {
        await context.db?.query('rollback to savepoint answer')
        await send(request, { error: { code: error.code, message: error.message } })
        outcomes.refused += 1
        context.log.info({ code: error.code }, 'request refused')
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
      // Transient if the broker is unreachable or denies the write. Permanent if the reply is too large.
      throw (error as { retriable?: boolean }).retriable === false ? permanent(error) : transient(error)
    }
  }
}
