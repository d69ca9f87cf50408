import type { App } from '@pair/service'
import { setTimeout as delay } from 'node:timers/promises'
import { pendingPayments, type Claimed } from './pending-payments.js'
import { paymentSettler } from './settle-payment.js'

/** Payments that an instance settles at the same time. */
const maxRunning = 20
/** Pause after a look that has found less than was asked for. A payment is found by looking, whatever dies or is restarted. */
const pollMs = 200

/**
 * The worker: claims pending payments and settles them, outside of any handler and transaction. Each instance has one; what a
 * killed instance had claimed is claimed again after its lease.
 */
export async function worker (app: App): Promise<void> {
  const stop = new AbortController()
  const pending = pendingPayments(app.database)
  const settler = paymentSettler(app, pending, stop.signal)
  const running = new Set<Promise<void>>()
  let working = Promise.resolve()

  app.addHook('onReady', async () => { working = app.database.migrated.then(work, () => {}) })
  // Questions and charges are cut off; their payments are claimable at once. A charge that was made is found by its key.
  app.addHook('preClose', async () => stop.abort())
  app.addHook('onClose', async () => {
    await working
    await Promise.all(running)
  })

  async function work (): Promise<void> {
    while (!stop.signal.aborted) {
      // While something is away, one payment at a time tries whether it is back; the others would only fail too.
      const capacity = (settler.isHeldUp ? 1 : maxRunning) - running.size
      const claimed = capacity > 0 ? await claim(capacity) : []
      for (const payment of claimed) start(payment)
      if (running.size === 0 && settler.isHeldUp && await pending.isEmpty().catch(() => false)) settler.nothingPending()
      const pause = delay(pollMs, undefined, { signal: stop.signal }).catch(() => {})
      await (claimed.length === capacity || capacity <= 0 ? Promise.race([pause, ...running]) : pause)
    }
  }

  async function claim (limit: number): Promise<Claimed[]> {
    try {
      return await pending.claim(limit)
    } catch (err) {
      app.log.debug({ err }, 'no payment claimed this time') // an outage of the database has its own line
      return []
    }
  }

  function start (payment: Claimed): void {
    const task = settler.settle(payment)
      .catch(err => app.log.warn({ err, paymentId: payment.id }, 'payment not settled, claimed again after its lease'))
      .finally(() => running.delete(task))
    running.add(task)
  }
}
