import { validator, type Event, type Topic } from '@pair/events'
import { Type } from 'typebox'
import { permanent } from '../database/faults.js'
import type { OutboundMessage } from './message.js'

/** The most bytes that the broker counts in addition to key and value: the message's header and the batch's frame. */
const overheadBytes = 300
/** Kafka's default of max.message.bytes. */
const defaultMaxBytes = 1_048_588

/**
 * Returns a function that builds the message of an event, for the topics that a service has declared.
 *
 * The function throws a permanent Error if the topic's readers would reject the event, or the broker its size.
 */
export function messageMaker (topics: () => Topic[]): (event: Event) => OutboundMessage {
  const checks = new Map<Topic, ReturnType<typeof validator<Event>>>()

  return function messageOf (event) {
    const topic = topics().find(({ name }) => name === event?.type)
    if (topic === undefined) throw permanent(new Error(`not an event of a topic that this service sends: create it with the function that app.sends(topic) returns${typeof event?.type === 'string' ? ` (its type is ${event.type.slice(0, 100)})` : ''}`))
    // Only `data` comes from the caller; app.sends has set the rest. Validating the rest too would double the time on the hot path.
    const validate = checks.get(topic) ?? validator<Event>(Type.Object({ data: topic.data }))
    checks.set(topic, validate)
    const checked = validate(event)
    if (!checked.ok) throw permanent(new Error(`not an event of the topic ${topic.name}: ${checked.error}`))
    if (typeof event.id !== 'string' || typeof event.source !== 'string') throw permanent(new Error(`not an event of the topic ${topic.name}: create it with the function that app.sends(topic) returns`))
    if (typeof event.subject !== 'string' || event.subject === '') throw permanent(new Error(`an event of the topic ${topic.name} has no subject, which is its message key`))

    const payload = JSON.stringify(event)
    const bytes = Buffer.byteLength(payload) + Buffer.byteLength(event.subject) + overheadBytes
    const maxBytes = Number(topic.config['max.message.bytes'] ?? defaultMaxBytes)
    if (bytes > maxBytes) throw permanent(new Error(`an event of the topic ${topic.name} is too large: ${bytes} bytes with the message's overhead, and the topic's limit is ${maxBytes}`))
    return { id: event.id, aggregateid: event.subject, type: topic.name, payload, traceparent: event.traceparent ?? null }
  }
}
