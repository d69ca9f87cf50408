import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { KafkaError } from './errors.js'
import { fieldsOfEntry, toBatch, type Batch } from './native-batch.js'
import type { PackedRecords } from './packed-records.js'

// The addon in ../native, whose README says how messages pass through it.

/** Exports of the addon; its sources document the parameters. */
export interface Addon {
  attach (name: string, owner: object, onWake: () => void): External
  detach (handle: External): void
  topic (handle: External, name: string): number
  send (handle: External, bytes: Buffer, fields: Int32Array, count: number, errors: Int32Array): number
  acknowledgements (handle: External): Buffer
  read (handle: External, bytes: number, fields: Float64Array): [count: number, buffers: Buffer[], topics: string[], isEmptied: boolean]
}
type External = object
type Properties = Record<string, unknown>

const path = fileURLToPath(new URL('./native.node', import.meta.url))
const compiler = fileURLToPath(new URL('../native/compile.js', import.meta.url))
const nameProperty = 'native.handle.name'
const plugins = 'plugin.library.paths'

let loaded: Addon | undefined

/** Loads the addon, once. @throws KafkaError ERR__STATE whose message is one line with the remedy */
export function addon (): Addon {
  if (loaded !== undefined) return loaded
  try {
    return (loaded = createRequire(import.meta.url)(path) as Addon)
  } catch (cause) {
    const [reason] = String((cause as Error).message).split('\n')
    const isWindows = process.platform === 'win32'
    const remedy = isWindows ? 'Windows is not supported' : `compile it with "node ${compiler}", which package managers do on installing unless scripts are blocked`
    throw new KafkaError('ERR__STATE', `The native addon of the Kafka client cannot be loaded, ${remedy}: ${reason}`, { cause })
  }
}

/**
 * Adds to a handle's global properties those that make it attachable. The user's plugins are loaded after the addon.
 * @throws KafkaError ERR__STATE where the addon cannot be loaded
 */
export function attachable (global: Properties): { name: string, properties: Properties } {
  addon() // Node's error has the reason where it cannot be loaded; librdkafka's only says that there is no such file
  const name = randomUUID()
  const { [plugins]: others, ...rest } = global
  // In this order: the plugin defines the property of the name.
  return { name, properties: { [plugins]: others ? `${path};${others}` : path, [nameProperty]: name, ...rest } }
}

/**
 * One librdkafka handle, created by node-rdkafka with `attachable` properties. Sends and reads messages in batches on the event
 * loop; everything else remains with node-rdkafka. Must be detached before node-rdkafka disconnects the handle.
 */
export class NativeHandle {
  readonly #addon = addon()
  readonly #external: External
  readonly #topics = new Map<string, number>()
  /** Filled by each `read`. */
  #fields = new Float64Array()
  #isAttached = true

  /**
   * Attaches to a handle that has connected.
   *
   * @param owner node-rdkafka's object, kept from garbage collection until `detach`
   * @param onWake called on the event loop when there are acknowledgements, or messages after the queue was empty.
   * An error that it throws is an uncaught exception.
   * @throws Error where no open handle has that name
   */
  constructor (name: string, owner: object, onWake: () => void) {
    this.#external = this.#addon.attach(name, owner, onWake)
  }

  get isAttached (): boolean {
    return this.#isAttached
  }

  /**
   * The number of a topic in packed records.
   * @throws KafkaError ERR__INVALID_ARG for a name that librdkafka refuses (the limit is 512 bytes)
   */
  topic (name: string): number {
    const known = this.#topics.get(name)
    if (known !== undefined) return known
    const number = typeof name !== 'string' || name === '' || name.includes('\0') ? -1 : this.#addon.topic(this.#external, name)
    if (number < 0) throw new KafkaError('ERR__INVALID_ARG', `No topic can have the name ${JSON.stringify(name)?.slice(0, 100)}`)
    this.#topics.set(name, number)
    return number
  }

  /**
   * Hands records to librdkafka, which copies them. Returns how many were taken or refused: `records.errors` has 0 or librdkafka's
   * error code for each of those. The local queue was full for the rest, which must be sent before any newer record.
   */
  send (records: PackedRecords): number {
    return this.#addon.send(this.#external, records.bytes, records.fields, records.count, records.errors)
  }

  /**
   * Acknowledgements since the last call, four numbers each: id, error code (0 for a stored record), partition, offset (negative
   * where it is unknown). Each id that was taken occurs once, unless the handle ends before that.
   */
  acknowledgements (): Float64Array {
    return toDoubles(this.#addon.acknowledgements(this.#external))
  }

  /**
   * Takes fetched messages without waiting: at most `count` messages and errors, and about `bytes` bytes (the last message may
   * exceed them). Must be called once after attaching, at each wake-up, again while the batch is not `isEmptied` (no wake-up comes
   * then), and at least once in a third of `max.poll.interval.ms`, because the group removes a consumer that does not poll.
   */
  read (count: number, bytes: number): Batch {
    if (this.#fields.length < count * fieldsOfEntry) this.#fields = new Float64Array(count * fieldsOfEntry)
    const [found, ...rest] = this.#addon.read(this.#external, bytes, this.#fields.subarray(0, count * fieldsOfEntry))
    return toBatch(this.#fields.subarray(0, found * fieldsOfEntry), ...rest)
  }

  /** Detaches from the handle and drops acknowledgements and messages that were not taken. A second call does nothing. */
  detach (): void {
    if (!this.#isAttached) return
    this.#isAttached = false
    this.#addon.detach(this.#external)
  }
}

/** Views a buffer of the addon, which owns its memory, as doubles. */
function toDoubles ({ buffer, byteOffset, byteLength }: Buffer): Float64Array {
  return new Float64Array(buffer, byteOffset, byteLength / 8)
}
