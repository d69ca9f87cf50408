import { randomUUID } from 'node:crypto'
import { Producer } from 'shared-kafka'
import { userRegister, userRegisterExample } from 'shared-topics'

/** What the campaign itself puts on the topic, past the user service. */
export class Events {
  /** Where the bad events stand: partition@offset. */
  bad = /** @type {Set<string>} */ (new Set())
  /** Users of events that were put there several times. */
  users = /** @type {Set<string>} */ (new Set())
  /** Events whose sending failed: they may or may not be there. */
  unknown = 0
  #domain
  #producer

  /**
   * @param {string} brokers
   * @param {string} domain of the users' emails
   */
  constructor (brokers, domain) {
    this.#domain = domain
    // Longer than any fault: whether an event is there has to be known.
    this.#producer = new Producer({ 'metadata.broker.list': brokers, 'message.timeout.ms': 120_000, 'reconnect.backoff.max.ms': 1000 })
  }

  async putBad () {
    const values = ['rubbish', null, '{"id":1}', this.#event({ email: 'nul\0byte' }), this.#event({ id: 'no uuid' })]
    await this.#send(values, place => this.bad.add(place))
  }

  /**
   * The same event, as often as there are partitions: on each of them, so that several instances may get it at once, or
   * one behind the other.
   *
   * @param {boolean} isSpread
   */
  async putTwice (isSpread) {
    const id = randomUUID()
    const event = this.#event({ id })
    this.users.add(id)
    await this.#send(Array.from({ length: userRegister.partitions }, () => event), () => {}, { key: id, isSpread })
  }

  async close () {
    await this.#producer.close()
  }

  /** @param {Partial<typeof userRegisterExample.data>} data */
  #event (data) {
    const id = data.id ?? randomUUID()
    const username = `event-${randomUUID().slice(0, 8)}`
    return { ...userRegisterExample, id: randomUUID(), subject: id, data: { id, email: `${username}@${this.#domain}`, username, ...data } }
  }

  /**
   * @param {unknown[]} values
   * @param {(place: string) => unknown} onPut
   */
  async #send (values, onPut, { key = randomUUID(), isSpread = false } = {}) {
    await Promise.all(values.map(async (value, partition) => {
      const message = { topic: userRegister.name, key, value, ...(isSpread && { partition }) }
      const [delivery] = await this.#producer.send({ messages: [message] }).catch(() => { this.unknown++; return [] })
      if (delivery) onPut(`${delivery.partition}@${delivery.offset}`)
    }))
  }
}
