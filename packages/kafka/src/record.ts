import { isUtf8 } from 'node:buffer'
import type rdkafka from 'node-rdkafka'
import { KafkaError } from './errors.js'
import type { Headers, Message, StoredMessage } from './types.js'

/** Headers as `PackedRecords` takes them. */
export interface EncodedHeaders {
  /** Of each: of its name, of its value. */
  readonly lengths: number[]
  /** Each name, and each value behind it. */
  readonly bytes: Buffer
}

/**
 * The headers of a record, undefined for none.
 * @throws KafkaError ERR__INVALID_ARG for a value that is not text, which is what every client can read
 */
export function encodeHeaders (headers: Headers = []): EncodedHeaders | undefined {
  const entries = headers.flatMap(header => Object.entries<unknown>(header))
  if (entries.length === 0) return undefined
  const parts = entries.flatMap(([name, value]) => {
    const text = Buffer.isBuffer(value) && isUtf8(value) ? value.toString() : value
    if (typeof text !== 'string' || text.includes('\0') || name.includes('\0')) {
      throw new KafkaError('ERR__INVALID_ARG', `Header ${JSON.stringify(name)} is not text without NUL characters`)
    }
    return [Buffer.from(name), Buffer.from(text)]
  })
  return { lengths: parts.map(({ length }) => length), bytes: Buffer.concat(parts) }
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
