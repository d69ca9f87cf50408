import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { priceRequest } from '../../price-request.js'

/**
 * Knows what a product costs: as many cents as its id says, after a while if it says so ("5-after-1000"), or a moment after
 * the service is told to end ("5-after-SIGTERM").
 *
 * @type {import('@pair/service').ServicePlugin}
 */
export default async function warehouseService (app) {
  app.answer(priceRequest, async ({ data }, { log }) => {
    const [cents, after] = data.productId.split('-after-')
    if (after !== undefined) {
      log.info({ after }, 'looking for the price')
      await (after === 'SIGTERM' ? once(process, 'SIGTERM').then(() => delay(100)) : delay(Number(after)))
    }
    return { cents: Number(cents), answeredBy: process.pid }
  }, { concurrency: 50 })
}
