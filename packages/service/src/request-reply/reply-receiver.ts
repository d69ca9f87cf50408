import type { FastifyBaseLogger } from 'fastify'
import { replyDecoder, type RequestTopic } from '@pair/events'
import type { StoredMessage } from '@pair/kafka'
import type { Static, TSchema } from 'typebox'
import { ReplyError } from './errors.js'
import type { DroppedReply } from './metrics.js'
import { isCorrelationId, type PendingReplies } from './pending-replies.js'

const warnEveryMs = 10_000

/** Returns the listener for messages of a reply topic: each settles its pending ask, or is counted and dropped. */
export function replyReceiver<Reply extends TSchema> (topic: RequestTopic<TSchema, Reply>, pending: PendingReplies<Static<Reply>>, { dropped, log }: {
  dropped: Record<DroppedReply, number>
  log: FastifyBaseLogger
}): (message: StoredMessage) => void {
  const decode = replyDecoder(topic)
  let warnedAt = -Infinity

  return function receive ({ topic, key, value, headers, partition, offset }) {
    // The key is the correlation id, so replies for other instances are dropped without decoding.
    const sentTo = key?.toString()
    if (sentTo !== undefined && isCorrelationId(sentTo) && !pending.isOurs(sentTo)) {
      dropped.foreign += 1
      return
    }
    const decoded = decode(value, headers)
    if (!decoded.ok) {
      dropped.unreadable += 1
      if (performance.now() - warnedAt < warnEveryMs) return
      warnedAt = performance.now()
      log.warn({ topic, partition, offset, reason: decoded.reason, why: decoded.error, unreadable: dropped.unreadable }, 'unreadable reply dropped')
      return
    }
    const { correlationid: correlationId, data, error } = decoded.reply
    const ask = pending.find(correlationId)
    if (ask === undefined) dropped[pending.isOurs(correlationId) ? 'late' : 'foreign'] += 1
    else if (error === undefined) ask.resolve(data)
    else ask.reject(new ReplyError(error.code, error.message))
  }
}
