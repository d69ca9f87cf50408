import { isUtf8 } from 'node:buffer'
import type rdkafka from 'node-rdkafka'
import { KafkaError } from './errors.js'
import type { Headers, Message, StoredMessage } from './types.js'

/** The binding takes a buffer without memory, such as `Buffer.alloc(0)`, for null. This one has memory. */
const empty = Buffer.alloc(1).subarray(0, 0)

/** A record's key or value as bytes: text as UTF-8, buffers as they are, null for nothing, anything else as JSON. */
export function encode (value: unknown): Buffer | null {
  if (value === undefined || value === null) return null
  const bytes = value instanceof Uint8Array ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  if (bytes.byteLength === 0) return empty
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** As the binding takes them. */
export type RecordHeaders = Array<Record<string, string>>

/**
 * The headers of a record.
 * @throws KafkaError ERR__INVALID_ARG for a value that the binding would not carry unchanged: it writes text up to the first NUL
 */
export function toHeaders (headers: Headers = []): RecordHeaders | undefined {
  const entries = headers.flatMap(header => Object.entries<unknown>(header))
  if (entries.length === 0) return undefined
  return entries.map(([name, value]) => {
    const text = Buffer.isBuffer(value) && isUtf8(value) ? value.toString() : value
    if (typeof text !== 'string' || text.includes('\0') || name.includes('\0')) {
      throw new KafkaError('ERR__INVALID_ARG', `Header ${JSON.stringify(name)} is not text without NUL characters`)
    }
    return { [name]: text }
  })
}

/** The bytes of a message's key, value and headers, without what the objects around them take. */
export function sizeOf ({ key, value, headers }: StoredMessage): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0)
  // Own names only: the binding makes the value of a header called __proto__ the prototype, whose getters throw.
  for (const header of headers) for (const name of Object.keys(header)) bytes += header[name]?.length ?? 0
  return bytes
}

/** A record of the binding as the listeners get it. */
export function toMessage ({ topic, partition, offset, key, value, headers, timestamp }: rdkafka.Message, release: () => void): Message {
  return {
    topic,
    partition,
    offset,
    key: key as Buffer | null,
    value,
    headers: (headers ?? []) as Message['headers'],
    timestamp: timestamp ?? -1,
    release
  }
}
