import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { KafkaError } from './errors.js'
import { fieldsOfEntry, toBatch, type Batch } from './native-batch.js'
import type { PackedRecords } from './packed-records.js'

// The addon in ../native, whose README says how messages pass through it.

/** What the addon exports; its sources say what each takes. */
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
const nameProperty = 'native.handle.name'
const plugins = 'plugin.library.paths'

let loaded: Addon | undefined

/** @throws KafkaError ERR__STATE whose message is one line that says what to do */
export function addon (): Addon {
  if (loaded !== undefined) return loaded
  try {
    return (loaded = createRequire(import.meta.url)(path) as Addon)
  } catch (cause) {
    const [reason] = String((cause as Error).message).split('\n')
    const isWindows = process.platform === 'win32'
    const remedy = isWindows ? 'Windows is not supported' : 'compile it with "node scripts/setup.js", for this Node and on this system'
    throw new KafkaError('ERR__STATE', `The native addon of the Kafka client cannot be loaded, ${remedy}: ${reason}`, { cause })
  }
}

/**
 * The properties of a handle that can be attached, from its global ones. Plugins of the user's come after the addon.
 * @throws KafkaError ERR__STATE where the addon cannot be loaded
 */
export function attachable (global: Properties): { name: string, properties: Properties } {
  addon() // loaded by Node first: librdkafka would only say that there is no such file
  const name = randomUUID()
  const { [plugins]: others, ...rest } = global
  // In this order: the plugin knows the name's property.
  return { name, properties: { [plugins]: others ? `${path};${others}` : path, [nameProperty]: name, ...rest } }
}

/**
 * One handle of librdkafka's, made by node-rdkafka with `attachable` properties: messages go in and out here, in batches
 * and on the event loop, and all else stays node-rdkafka's. To be detached before node-rdkafka disconnects it.
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
   * @param owner node-rdkafka's object, which is kept from being collected until `detach`
   * @param onWake called on the event loop when there are acknowledgements, or messages where there were none before.
   * What it throws is an uncaught exception.
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
   * @throws KafkaError ERR__INVALID_ARG for a name that librdkafka refuses (it takes 512 bytes)
   */
  topic (name: string): number {
    const known = this.#topics.get(name)
    if (known !== undefined) return known
    const number = typeof name !== 'string' || name === '' || name.includes('\0') ? -1 : this.#addon.topic(this.#external, name)
    if (number < 0) throw new KafkaError('ERR__INVALID_ARG', 'No topic can have that name')
    this.#topics.set(name, number)
    return number
  }

  /**
   * Hands records to librdkafka, which copies them. Returns how many were taken or refused: `records.errors` has 0 or
   * librdkafka's code for each of those. The rest found its queue full and must be sent before anything newer.
   */
  send (records: PackedRecords): number {
    return this.#addon.send(this.#external, records.bytes, records.fields, records.count, records.errors)
  }

  /**
   * What became of records since the last call, four numbers each: id, error code (0 where it is stored), partition,
   * offset (negative where it is not known). Each id that was taken comes once, unless the handle ends before.
   */
  acknowledgements (): Float64Array {
    return toDoubles(this.#addon.acknowledgements(this.#external))
  }

  /**
   * What has been fetched, without waiting: at most `count` messages and errors, and not many more bytes than `bytes`.
   * To be called once after attaching, at each wake-up, again as long as the batch is not `isEmptied` (no wake-up comes
   * then), and at least each third of `max.poll.interval.ms`, or the group takes the consumer for dead.
   */
  read (count: number, bytes: number): Batch {
    if (this.#fields.length < count * fieldsOfEntry) this.#fields = new Float64Array(count * fieldsOfEntry)
    const [found, ...rest] = this.#addon.read(this.#external, bytes, this.#fields.subarray(0, count * fieldsOfEntry))
    return toBatch(this.#fields.subarray(0, found * fieldsOfEntry), ...rest)
  }

  /** Ends it; acknowledgements and messages that were not taken are dropped. Called again it does nothing. */
  detach (): void {
    if (!this.#isAttached) return
    this.#isAttached = false
    this.#addon.detach(this.#external)
  }
}

/** Of a buffer of the addon's, which has memory of its own. */
function toDoubles ({ buffer, byteOffset, byteLength }: Buffer): Float64Array {
  return new Float64Array(buffer, byteOffset, byteLength / 8)
}
