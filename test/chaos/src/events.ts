import { randomUUID } from 'node:crypto'
import { Producer, type Connection } from '@pair/kafka'
import { kafkaName } from '@pair/events'
import { userRegister, userRegisterExample } from '@pair/shared-topics'

/** What the campaign itself puts on the topic, past the user service. */
export class Events {
  /** Where the bad events stand: partition@offset. */
  readonly bad = new Set<string>()
  /** Users of events that were put there several times. */
  readonly users = new Set<string>()
  /** Users of events of which no copy was acknowledged. */
  readonly unsure = new Set<string>()
  /** Events whose sending failed: they may or may not be there. */
  unknown = 0
  readonly #domain: string
  readonly #producer: Producer
  readonly #topic: string

  /**
   * @param domain of the users' emails
   * @param prefix before every name
   */
  constructor (kafka: Connection, domain: string, prefix = '') {
    this.#topic = kafkaName(prefix, userRegister.name)
    this.#domain = domain
    // Longer than any fault: whether an event is there has to be known.
    this.#producer = new Producer({ ...kafka, 'message.timeout.ms': 120_000, 'reconnect.backoff.max.ms': 1000 })
  }

  async putBad () {
    const values = ['rubbish', null, '{"id":1}', this.#event({ email: 'nul\0byte' }), this.#event({ id: 'no uuid' })]
    await this.#send(values, place => this.bad.add(place))
  }

  /**
   * The same event, as often as there are partitions: on each of them, so that several instances may get it at once, or
   * one behind the other.
   */
  async putTwice (isSpread: boolean) {
    const id = randomUUID()
    const event = this.#event({ id })
    let isThere = false
    await this.#send(Array.from({ length: userRegister.partitions }, () => event), () => { isThere = true }, { key: id, isSpread })
    const users = isThere ? this.users : this.unsure
    users.add(id)
  }

  async close () {
    await this.#producer.close()
  }

  #event (data: Partial<typeof userRegisterExample.data>) {
    const id = data.id ?? randomUUID()
    const username = `event-${randomUUID().slice(0, 8)}`
    return { ...userRegisterExample, id: randomUUID(), subject: id, data: { id, email: `${username}@${this.#domain}`, username, ...data } }
  }

  async #send (values: unknown[], onPut: (place: string) => unknown, { key = randomUUID(), isSpread = false } = {}) {
    await Promise.all(values.map(async (value, partition) => {
      const message = { topic: this.#topic, key, value, ...(isSpread && { partition }) }
      const sinceMs = performance.now()
      const [delivery] = await this.#producer.send({ messages: [message] }).catch(error => {
        this.unknown++
        console.log(`          an event was not sent, after ${Math.round(performance.now() - sinceMs)} ms: ${error.codeName ?? error.message}`)
        return []
      })
      if (delivery) onPut(`${delivery.partition}@${delivery.offset}`)
    }))
  }
}
