import { setTimeout as delay } from 'node:timers/promises'
import { priceRequest } from '../../price-request.js'

/**
 * Knows what a product costs: as many cents as its id says, after a while if it says so ("5-after-1000").
 *
 * @type {import('@pair/service').ServicePlugin}
 */
export default async function warehouseService (app) {
  app.answer(priceRequest, async ({ data }, { log }) => {
    const [cents, afterMs] = data.productId.split('-after-')
    if (afterMs !== undefined) {
      log.info({ afterMs: Number(afterMs) }, 'looking for the price')
      await delay(Number(afterMs))
    }
    return { cents: Number(cents), answeredBy: process.pid }
  }, { concurrency: 50 })
}
