import type rdkafka from 'node-rdkafka'

/** Up to here reports come through `flush`; above, linger and batching are worth more than the first millisecond. */
export const flushUpTo = 128

/**
 * Fetches delivery reports, which arrive only when somebody polls: with few messages in flight by a `flush` that waits
 * on a pool thread (reports at once, linger ignored), with many by a timer, with none not at all.
 */
export class DeliveryReports {
  readonly #handle: rdkafka.Producer
  readonly #inFlight: () => number
  #flushing = false
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor (handle: rdkafka.Producer, inFlight: () => number) {
    this.#handle = handle
    this.#inFlight = inFlight
  }

  /** To be called whenever the number in flight has changed. */
  fetch (): void {
    if (this.#isStopped) return
    const inFlight = this.#inFlight()
    if (inFlight > flushUpTo) {
      this.#timer ??= setInterval(() => this.#handle.poll(), 1)
    } else {
      this.#stopTimer()
      if (inFlight > 0 && !this.#flushing && this.#handle.isConnected()) this.#flush()
    }
  }

  /** For good. */
  stop (): void {
    this.#isStopped = true
    this.#stopTimer()
  }

  #stopTimer (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #flush (): void {
    this.#flushing = true
    this.#handle.flush(1000, () => {
      this.#flushing = false
      this.fetch()
    })
  }
}
