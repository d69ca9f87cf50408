import { isAnyArrayBuffer } from 'node:util/types'
import { KafkaError } from './errors.js'
import type { EncodedHeaders } from './record.js'
import type { OutgoingMessage } from './types.js'

/** The most that one call sends. */
const limit = { records: 1000, bytes: 1024 * 1024 }
/** Fields of a record without headers. */
const fieldCount = 6
const largestPartition = 2 ** 31 - 1
/** The largest `message.max.bytes` that librdkafka knows. */
const largestBytes = 1_000_000_000

/** Records as `NativeHandle.send` takes them. Reused for each call, which copies the records. */
export class PackedRecords {
  /** Number of records. */
  count = 0
  /** Keys, values and headers, one after the other. */
  bytes = Buffer.allocUnsafeSlow(64 * 1024)
  /** For each record: topic, partition or -1, id, lengths of key and value or -1, number of headers, lengths of each header's name and value. */
  fields = new Int32Array(limit.records * fieldCount)
  /** Error code of each record, filled by `send`. */
  readonly errors = new Int32Array(limit.records)
  #byteEnd = 0
  #fieldEnd = 0

  get isFull (): boolean {
    return this.count === limit.records || this.#byteEnd >= limit.bytes
  }

  clear (): void {
    this.count = this.#byteEnd = this.#fieldEnd = 0
    if (this.bytes.length > 2 * limit.bytes) this.bytes = Buffer.allocUnsafeSlow(limit.bytes)
  }

  /**
   * Adds a record: text as UTF-8, bytes unchanged, undefined as null, any other value as JSON.
   * @param id of the record in its acknowledgement
   * @throws KafkaError ERR__INVALID_ARG for a value without a JSON form or an invalid partition; the record is not added then
   */
  add (topic: number, id: number, { partition, key, value }: OutgoingMessage, headers: EncodedHeaders | undefined): void {
    const [byteEnd, fieldEnd] = [this.#byteEnd, this.#fieldEnd]
    try {
      this.#growFields(fieldCount + (headers?.lengths.length ?? 0))
      this.#push(topic)
      this.#push(toPartition(partition))
      this.#push(id)
      this.#push(this.#write(key))
      this.#push(this.#write(value))
      this.#push((headers?.lengths.length ?? 0) / 2)
      if (headers !== undefined) {
        for (const length of headers.lengths) this.#push(length)
        this.#write(headers.bytes)
      }
      this.count++
    } catch (cause) {
      [this.#byteEnd, this.#fieldEnd] = [byteEnd, fieldEnd]
      throw KafkaError.from(cause)
    }
  }

  #push (field: number): void {
    this.fields[this.#fieldEnd++] = field
  }

  /** Appends a key or value. Returns its length in bytes, -1 for null. */
  #write (value: unknown): number {
    if (value === undefined || value === null) return -1
    const text = typeof value === 'string' || value instanceof Uint8Array ? value : toBytes(value) ?? JSON.stringify(value) as string | undefined
    if (text === undefined) throw new KafkaError('ERR__INVALID_ARG', 'A value has no JSON form')
    if (text.length > largestBytes) throw new KafkaError('ERR_MSG_SIZE_TOO_LARGE', 'Broker: Message size too large')
    this.#growBytes(typeof text === 'string' ? text.length * 3 : text.byteLength) // no code unit takes more than 3 bytes
    let length: number
    if (typeof text === 'string') length = this.bytes.write(text, this.#byteEnd)
    else {
      this.bytes.set(text, this.#byteEnd)
      length = text.byteLength
    }
    this.#byteEnd += length
    return length
  }

  #growBytes (count: number): void {
    if (this.#byteEnd + count <= this.bytes.length) return
    const bytes = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, this.#byteEnd + count))
    this.bytes.copy(bytes, 0, 0, this.#byteEnd)
    this.bytes = bytes
  }

  #growFields (count: number): void {
    if (this.#fieldEnd + count <= this.fields.length) return
    const fields = new Int32Array(Math.max(2 * this.fields.length, this.#fieldEnd + count))
    fields.set(this.fields)
    this.fields = fields
  }
}

function toBytes (value: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  return isAnyArrayBuffer(value) ? new Uint8Array(value) : undefined
}

/** Returns -1 where the partitioner chooses. */
function toPartition (partition: unknown): number {
  if (partition === undefined || partition === null) return -1
  const number = Number(partition)
  if (!Number.isInteger(number) || number > largestPartition) throw new KafkaError('ERR__INVALID_ARG', `No partition has the number ${String(partition)}`)
  return Math.max(-1, number)
}
