import { isUtf8 } from 'node:buffer'
import { KafkaError } from './errors.js'
import type { ReadMessage } from './native-batch.js'
import type { Headers, Message } from './types.js'

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

/** A record as the listeners get it. */
export function toMessage ({ topic, partition, offset, key, value, headers, timestamp }: ReadMessage, release: () => void): Message {
  return { topic, partition, offset, key, value, headers, timestamp, release }
}
