import { isUtf8 } from 'node:buffer'
import { KafkaError } from './errors.js'
import type { ReadMessage } from './native-batch.js'
import type { HeadersToSend, Message } from './types.js'

/** Headers as `PackedRecords` takes them. */
export interface EncodedHeaders {
  /** Lengths of each header's name and value, in bytes. */
  readonly lengths: number[]
  /** Each name, followed by its value. */
  readonly bytes: Buffer
}

/**
 * Encodes the headers of a record, one list after the other; undefined without any.
 * @throws KafkaError ERR__INVALID_ARG for an invalid list, or a name or value that is not text: not every client can read other headers
 */
export function encodeHeaders (...all: Array<HeadersToSend | undefined>): EncodedHeaders | undefined {
  const entries = all.flatMap(toEntries)
  if (entries.length === 0) return undefined
  const parts = entries.flat().map(part => {
    const text = part instanceof Uint8Array && isUtf8(part) ? Buffer.from(part).toString() : part
    if (typeof text !== 'string' || text.includes('\0')) {
      throw new KafkaError('ERR__INVALID_ARG', `Headers are text without NUL characters: one has ${typeof part === 'string' ? JSON.stringify(part) : `a part that is ${typeof part}`}`)
    }
    return Buffer.from(text)
  })
  return { lengths: parts.map(({ length }) => length), bytes: Buffer.concat(parts) }
}

/** @throws KafkaError ERR__INVALID_ARG */
function toEntries (headers: unknown): Array<[unknown, unknown]> {
  if (headers === undefined || headers === null) return []
  if (headers instanceof Map) return [...headers]
  if (Array.isArray(headers) && headers.every(one => typeof one === 'object' && !Array.isArray(one))) return headers.flatMap(toEntries)
  const prototype = typeof headers === 'object' ? Object.getPrototypeOf(headers) : undefined
  if (prototype === null || (prototype !== undefined && Object.getPrototypeOf(prototype) === null)) return Object.entries(headers as object)
  throw new KafkaError('ERR__INVALID_ARG', 'Headers are a plain object, a Map, or an array of these')
}

/** A record as listeners get it. */
export function toMessage ({ topic, partition, offset, key, value, headers, timestamp }: ReadMessage, release: () => void): Message {
  return { topic, partition, offset, key, value, size: value?.length ?? 0, headers, timestamp, release }
}
