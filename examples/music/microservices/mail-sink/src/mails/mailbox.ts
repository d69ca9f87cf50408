import { newId } from '@pair/service'

/** A mail as it arrived. */
export interface Mail {
  id: string
  messageId: string
  from: Address
  to: Address[]
  subject: string
  text: string
  created: Date
}

export interface Address { name: string, address: string }

/** The mails that are kept: older ones are dropped. */
const capacity = 5000

/** The mails since the start, in memory. */
export class Mailbox {
  readonly #mails: Mail[] = []

  add (mail: Omit<Mail, 'id' | 'created'>): void {
    this.#mails.push({ ...mail, id: newId(), created: new Date() })
    if (this.#mails.length > capacity) this.#mails.shift()
  }

  get count (): number {
    return this.#mails.length
  }

  /** The newest first. */
  newest (limit: number): Mail[] {
    return this.#mails.slice(-limit).reverse()
  }

  find (id: string): Mail | undefined {
    return this.#mails.find(mail => mail.id === id)
  }
}
