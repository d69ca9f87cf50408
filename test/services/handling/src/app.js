import { transient } from '@pair/service'
import { userRegister } from '@pair/shared-topics'
import { setTimeout as delay } from 'node:timers/promises'

/** A service of the tests, whose handler does what the name of the user says. @param {import('@pair/service').App} app */
export default async function handling (app) {
  app.consumer({
    topic: userRegister,
    retry: { maxDelayMs: 500 },
    async handle ({ id, data }, { db, signal }) {
      if (data.username === 'abort') process.abort()
      await db.query('insert into effects values ($1)', [id])
      if (data.username === 'plain') return
      const { rows: [dependency] } = await db.query('select is_up from dependency')
      if (dependency.is_up) return
      if (data.username === 'hangs') await delay(30_000, undefined, { signal })
      throw transient(new Error('the dependency is away'))
    }
  })
}
