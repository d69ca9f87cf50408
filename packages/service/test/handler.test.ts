import Fastify from 'fastify'
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { createEvent } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { connectionsOf } from '../dist/limits.js'
import { Handler } from '../dist/messages/handler.js'
import type { Step } from '../dist/messages/stepping.js'

const turn = () => new Promise(resolve => setImmediate(resolve))

test('a consumer of batches takes no more connections than it has, also where one of its partitions is stepped through', async () => {
  let taken = 0
  let most = 0
  const handleBatch = () => { throw new Error('no') }
  const transaction = async () => {
    most = Math.max(most, ++taken)
    for (let turns = 0; turns < 20; turns++) await turn()
    taken -= 1
    throw new Error('no')
  }
  const { log } = Fastify()
  const origin = { topic: userRegister.name, partition: 0, offset: 0, timestamp: -1, key: null }
  const handler = new Handler({ topic: userRegister, handleBatch }, { inbox: { process: transaction } as never, log, signal: new AbortController().signal })
  const step: Step = { hasCrashed: false, run: async handle => await handle(), isOver () {} }
  const attempt = async (step?: Step) => {
    const data = { id: randomUUID(), email: 'user@example.com', username: 'imbatman' }
    await handler.attempt({ event: createEvent(userRegister, { source: '/x', id: randomUUID(), subject: data.id, time: new Date(), data }), log, origin }, step)
  }
  const stepped = Array.from({ length: 40 }, () => attempt(step))
  const others = Array.from({ length: 40 }, async () => {
    await attempt().catch(() => {})
  })
  await turn()
  others.push(attempt().catch(() => {})) // a batch beside those that are stored alone
  await Promise.allSettled([...stepped, ...others])
  expect(most).toBe(connectionsOf({ handleBatch }))
})
