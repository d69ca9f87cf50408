import type { Messages } from '../messages/plugin.js'
import type { RequestReply } from '../request-reply/plugin.js'
import type { Clients } from './kafka.js'

/**
 * The state of Kafka for `checks`: `up`, or the first problem found.
 *
 * @param isDatabaseUp if false, handlers wait for the database, which has its own check, so waiting handlers are not reported here
 */
export function kafkaState ({ consumer, producer }: Clients, messages: Messages | undefined, requestReply: RequestReply, isDatabaseUp: boolean): string {
  if ((consumer ?? producer)?.isBack === false) return 'away'
  const reading = consumer && consumerState(consumer, messages, requestReply, isDatabaseUp)
  if (reading !== undefined) return reading
  if (producer?.isBack === false) return 'away'
  return producer?.refused === undefined ? 'up' : `refused: ${producer.refused}`
}

function consumerState (broker: NonNullable<Clients['consumer']>, messages: Messages | undefined, { refused }: RequestReply, isDatabaseUp: boolean): string | undefined {
  if (broker.refused !== undefined) return `refused: ${broker.refused}`
  if (!broker.isMember) return 'no member of the group'
  if (broker.unreadable !== undefined) return `cannot read a batch: ${broker.unreadable}`
  const withoutListener = broker.unhandled.filter(topic => !messages?.hasListener(topic))
  if (withoutListener.length > 0) return `no listener for ${withoutListener.join(', ')}`
  if (messages?.refused !== undefined) return `dead letters refused: ${messages.refused}`
  if (refused !== undefined) return refused
  if (messages?.stuck !== undefined) return `stuck at ${messages.stuck}`
  if (isDatabaseUp && messages?.waiting !== undefined) return `waiting for what the handler of ${messages.waiting} depends on`
  return undefined
}
