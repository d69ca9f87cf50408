/** A message for the broker; the names are those of the outbox's columns, which are Debezium's (migrations/outbox). */
export interface OutboundMessage {
  /** Of the event. */
  id: string
  /** Key of the message: those of one key keep their order. */
  aggregateid: string
  /** Topic of the message. */
  type: string
  /** Value of the message: the event as JSON. */
  payload: string
  traceparent: string | null
}

/** Resolves when the broker has acknowledged the message, rejects with a KafkaError. */
export type Push = (message: OutboundMessage) => Promise<unknown>
