import { validator, type Event, type Topic } from '@pair/events'
import { Type } from 'typebox'
import { permanent } from '../database/faults.js'
import type { OutboundMessage } from './message.js'

/** What a message is larger by on the broker than its key and value, at most: its header, and the frame of a batch. */
const overheadBytes = 300
/** A broker's own limit, where a topic names none. */
const defaultMaxBytes = 1_048_588

/**
 * Returns what makes a message of an event, for the topics that a service has declared.
 *
 * @throws Error, permanent, where no reader of the topic would take the event, or the broker would not
 */
export function messageMaker (topics: () => Topic[]): (event: Event) => OutboundMessage {
  const checks = new Map<Topic, ReturnType<typeof validator<Event>>>()

  return function messageOf (event) {
    const topic = topics().find(({ name }) => name === event?.type)
    if (topic === undefined) throw permanent(new Error(`no event of a topic that this service sends: make it with what app.sends(topic) returns${typeof event?.type === 'string' ? ` (its type is ${event.type.slice(0, 100)})` : ''}`))
    // What somebody has put in: the rest is the work of app.sends, and to check it, too, takes as long again on the hot path.
    const validate = checks.get(topic) ?? validator<Event>(Type.Object({ data: topic.data }))
    checks.set(topic, validate)
    const checked = validate(event)
    if (!checked.ok) throw permanent(new Error(`no event of the topic ${topic.name}: ${checked.error}`))
    if (typeof event.id !== 'string' || typeof event.source !== 'string') throw permanent(new Error(`no event of the topic ${topic.name}: make it with what app.sends(topic) returns`))
    if (typeof event.subject !== 'string' || event.subject === '') throw permanent(new Error(`an event of the topic ${topic.name} has no subject, which is the key of its message`))

    const payload = JSON.stringify(event)
    const bytes = Buffer.byteLength(payload) + Buffer.byteLength(event.subject) + overheadBytes
    const maxBytes = Number(topic.config['max.message.bytes'] ?? defaultMaxBytes)
    if (bytes > maxBytes) throw permanent(new Error(`an event of the topic ${topic.name} is too large: ${bytes} bytes with what a message adds, and the topic takes ${maxBytes}`))
    return { id: event.id, aggregateid: event.subject, type: topic.name, payload, traceparent: event.traceparent ?? null }
  }
}
