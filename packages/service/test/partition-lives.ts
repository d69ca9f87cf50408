import Fastify from 'fastify'
import { randomUUID } from 'node:crypto'
import { Registry } from 'prom-client'
import { vi } from 'vitest'
import type { Message } from '@pair/kafka'
import { createEvent } from '@pair/events'
import type { Handle } from '@pair/service'
import { userRegister, type UserRegister } from '@pair/shared-topics'
import { CrashGuard } from '../dist/crash-guard/crash-guard.js'
import type { ServicePool } from '../dist/database/pool.js'
import { MessageMetrics } from '../dist/messages/metrics.js'
import { MessageProcessor } from '../dist/messages/processor.js'

export const never = async () => await new Promise<never>(() => {})

interface Options {
  /** Of the messages, by their offset. Without one each is on its own. */
  keys?: string[]
  concurrency?: number
  /** Those, by their offset, are no events. */
  rubbish?: number[]
  /** Of the time for which a suspect waits. */
  random?: () => number
}

/** The lives of a service, one after the other, that reads one partition from its committed offset on. */
export function partitionOf (pool: ServicePool, act: Handle<UserRegister>, count = 5, { keys = [], concurrency = 10, rubbish = [], random = () => 0 }: Options = {}) {
  const topic = randomUUID()
  const values = Array.from({ length: count }, () => {
    const data = { id: randomUUID(), email: 'user@example.com', username: 'imbatman' }
    return createEvent(userRegister, { source: '/user-service', id: randomUUID(), subject: data.id, time: new Date(), data })
  })
  const ids = values.map(({ id }) => id)
  const state = { committed: 0, handled: [] as string[], letters: [] as string[], refuses: undefined as RegExp | undefined, refusesLetters: false }
  let die = () => {}

  function live () {
    die()
    let isDead = false
    die = () => { isDead = true }
    const statements = vi.spyOn(pool, 'query')
    const query = async (text: string, values: unknown[]) => {
      if (isDead) await never()
      if (state.refuses?.test(text)) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
      return await pool.query(text, values)
    }
    const processor = new MessageProcessor({
      consumer: { topic: userRegister, concurrency, handle: async (event, context) => { state.handled.push(event.id); return await act(event, context) } },
      guard: new CrashGuard({ query: query as never }, random),
      group: 'x',
      metrics: new MessageMetrics(new Registry(), 'x').of(topic),
      log: Fastify().log,
      sendDeadLetter: async ({ headers }) => {
        if (isDead) await never()
        if (state.refusesLetters) throw new Error('the dead-letter topic is away')
        state.letters.push(String(Object.assign({}, ...headers ?? [])['dlq.reason']))
      }
    })
    const done = new Set<number>()
    const from = state.committed
    values.forEach((value, offset) => {
      if (offset < from) return
      const key = keys[offset] === undefined ? null : Buffer.from(String(keys[offset]))
      const message: Message = { topic, partition: 0, offset, key, headers: [], timestamp: -1, value: Buffer.from(rubbish.includes(offset) ? 'rubbish' : JSON.stringify(value)), release () {}, ...offset === from && { isFirst: true } }
      processor.listener(message, () => {
        done.add(offset)
        while (done.has(state.committed)) state.committed += 1
      })
    })
    return { processor, statements }
  }
  const row = async () => (await pool.query<{ weight: number, suspicion: number, message: string, suspect: string | null, assignments: number }>(
    'select * from crash_guard where topic = $1', [topic])).rows[0]
  return { state, ids, live, row, die: async () => { die(); return await never() } }
}

/** A partition that is stepped through. */
export async function stepped (pool: ServicePool, act: Handle<UserRegister>, options?: Options) {
  let isReady = false
  const partition = partitionOf(pool, async (...args) => await (isReady ? act(...args) : never()), 5, options)
  for (let life = 1; life <= 2; life++) {
    partition.state.handled = []
    partition.live()
    await vi.waitFor(() => { if (partition.state.handled.length === 0) throw new Error('no message is handled') }, 120_000)
  }
  isReady = true
  partition.state.handled = []
  return partition
}
