import { endianness } from 'node:os'
import { markAsUntransferable } from 'node:worker_threads'
import { KafkaError } from './errors.js'
import type { StoredMessage } from './types.js'

/** An error between messages: the end of a partition, an unknown topic, … */
export interface ReadError {
  /** librdkafka's code. */
  readonly code: number
  readonly text: string
  /** Undefined where the error concerns no topic. */
  readonly topic: string | undefined
  /** Without meaning where the error concerns a whole topic. */
  readonly partition: number
  readonly offset: number
  /** Number of messages of the batch before it. */
  readonly before: number
}

/** Result of one `read`, in librdkafka's order. */
export interface Batch {
  readonly messages: ReadMessage[]
  readonly errors: ReadError[]
  /** Whether the queue was emptied. Where it is false, no wake-up comes before the next `read`. */
  readonly isEmptied: boolean
}

/** The most that one poll takes, so that a turn of the event loop stays short. The last message may exceed the bytes. */
export const pollLimit = { records: 500, bytes: 2 * 1024 * 1024 }
/** Numbers that the addon writes for each message or error. */
export const fieldsOfEntry = 9
const empty = Buffer.alloc(0)

/**
 * A record that was read. Its bytes lie in a buffer of at most 16 KiB, shared with its neighbours, or, where it is larger, in
 * its own buffer. A reference to the record keeps that buffer alive.
 */
export class ReadMessage implements StoredMessage {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Bytes of key, value and headers; each header includes 8 bytes for its lengths. */
  readonly size: number
  readonly #headers: Buffer

  constructor (topic: string, fields: Float64Array, at: number, buffer: Buffer, start: number) {
    const [keyLength, valueLength] = [number(fields, at + 6), number(fields, at + 7)]
    const value = start + Math.max(0, keyLength)
    const headers = value + Math.max(0, valueLength)
    const end = headers + number(fields, at + 8)
    this.topic = topic
    this.partition = number(fields, at + 2)
    this.offset = number(fields, at + 3)
    this.timestamp = number(fields, at + 4)
    this.key = keyLength < 0 ? null : part(buffer, start, value)
    this.value = valueLength < 0 ? null : part(buffer, value, headers)
    this.#headers = part(buffer, headers, end)
    this.size = end - start
  }

  /** Headers in order; a name may occur several times. Decoded at each call. A value can be null, which the type does not show. */
  get headers (): Array<Record<string, Buffer>> {
    const found: Array<Record<string, Buffer>> = []
    const bytes = this.#headers
    for (let at = 0; at < bytes.length;) {
      const name = at + 8
      const value = name + readLength(bytes, at)
      const length = readLength(bytes, at + 4)
      at = value + Math.max(0, length)
      found.push({ [bytes.toString('utf8', name, value)]: length < 0 ? null as never : bytes.subarray(value, at) })
    }
    return found
  }
}

/** @param fields the entries that the addon wrote; not kept */
export function toBatch (fields: Float64Array, buffers: Buffer[], topics: string[], isEmptied: boolean): Batch {
  const messages: ReadMessage[] = []
  const errors: ReadError[] = []
  let [index, start] = [0, 0]
  for (const { buffer } of buffers) markAsUntransferable(buffer) // shared by several messages
  for (let at = 0; at < fields.length; at += fieldsOfEntry) {
    const code = number(fields, at)
    const topic = topics[number(fields, at + 1)]
    if (number(fields, at + 5) !== index) [index, start] = [number(fields, at + 5), 0]
    const buffer = buffers[index] ?? empty
    const message = new ReadMessage(topic ?? '', fields, at, buffer, start)
    start += message.size
    if (code === 0) messages.push(message)
    else errors.push({ code, text: String(message.value ?? KafkaError.ofCode(code).message), topic, partition: message.partition, offset: message.offset, before: messages.length })
  }
  return { messages, errors, isEmptied }
}

/** In the machine's byte order. */
const readLength = endianness() === 'LE' ? (bytes: Buffer, at: number) => bytes.readInt32LE(at) : (bytes: Buffer, at: number) => bytes.readInt32BE(at)

function number (fields: Float64Array, at: number): number {
  return fields[at] ?? 0
}

function part (buffer: Buffer, from: number, to: number): Buffer {
  return from === to ? empty : buffer.subarray(from, to)
}
