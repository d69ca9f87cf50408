/** A message for the broker. Its members are named like the outbox's columns, which follow Debezium (migrations/outbox). */
export interface OutboundMessage {
  /** Id of the event. */
  id: string
  /** Key of the message: messages of one key keep their order. */
  aggregateid: string
  /** Topic of the message. */
  type: string
  /** Value of the message: the event as JSON. */
  payload: string
  traceparent: string | null
}

/** Resolves when the broker has acknowledged the message; rejects with a KafkaError. */
export type Push = (message: OutboundMessage) => Promise<unknown>
