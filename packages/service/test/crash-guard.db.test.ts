import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import type { Message } from '@pair/kafka'
import { CrashGuard } from '../dist/crash-guard/crash-guard.js'
import type { ServicePool } from '../dist/database/pool.js'
import { useGuardedDatabase } from './guarded-database.js'
import { never } from './partition-lives.js'

let pool: ServicePool
useGuardedDatabase(opened => { pool = opened })

const messageAt = (offset = 0, topic: string = randomUUID()) => ({ topic, partition: 0, offset, timestamp: -1 }) as Message
const rowOf = async ({ topic }: Message) => (await pool.query<{ weight: number, suspicion: number }>('select * from crash_guard where topic = $1', [topic])).rows[0]

/**
 * A process that is assigned the partitions of a message and of others, handles that message alone, and dies.
 * @returns the verdict on it that the process began with
 */
async function dieWith (message: Message, others: Message[] = []) {
  let isDead = false
  const query = async (text: string, values: unknown[]) => isDead ? await never() : await pool.query(text, values)
  const guard = new CrashGuard({ query: query as never })
  for (const other of others) await guard.assigned(other)
  const verdict = await guard.assigned(message)
  await new Promise<void>(resolve => {
    guard.exclusive(message, async () => {
      isDead = true
      resolve()
      return await never()
    }).catch(() => {})
  })
  return verdict
}

/** Handles a message alone until it is told to end. */
async function begin (guard: CrashGuard, message: Message) {
  let end = () => {}
  let handled = Promise.resolve()
  await new Promise<void>(resolve => {
    handled = guard.exclusive(message, async () => {
      resolve()
      await new Promise<void>(resolve => { end = resolve })
    })
  })
  return async () => { end(); await handled }
}

describe('a message', () => {
  test('at which a process has died three times has crashed, and not before', async () => {
    const message = messageAt()
    for (const hasCrashed of [false, false, false, true]) expect((await dieWith(message)).hasCrashed(message)).toBe(hasCrashed)
  })

  test('is suspected less with each death that was none of its doing', async () => {
    const message = messageAt()
    await dieWith(message)
    const suspicions: unknown[] = []
    for (let life = 1; life <= 5; life++) {
      await new CrashGuard(pool).assigned(message)
      suspicions.push((await rowOf(message))?.suspicion)
    }
    expect(suspicions).toEqual([3, 2, 1, 0, 0])
  })

  test('is suspected as before when its process died at the mark of another partition', async () => {
    const killers = [0, 1, 2, 3].map(() => messageAt())
    const crashed = new Set<Message>()
    for (let life = 0; life < 4 * killers.length; life++) {
      const killer = killers[life % killers.length] as Message
      if ((await dieWith(killer, killers.filter(other => other !== killer))).hasCrashed(killer)) crashed.add(killer)
    }
    expect(crashed.size).toBe(4)
    // Assigned first and last, so that the mark was seen in its place and where it is kept.
    await dieWith(killers[0] as Message, [killers[1] as Message])
    await new CrashGuard(pool).assigned(killers[0] as Message)
    await new CrashGuard(pool).assigned(killers[1] as Message)
    expect((await rowOf(killers[1] as Message))?.suspicion).toBeGreaterThanOrEqual(9)
  })

  test('is not suspected when its partition is assigned to the living process that handles it once more', async () => {
    const message = messageAt()
    const guard = new CrashGuard(pool)
    await guard.assigned(message)
    const end = await begin(guard, message)
    await guard.assigned(message)
    const row = await rowOf(message)
    expect(row?.suspicion).toBe(0)
    expect(row?.weight).toBeGreaterThan(0) // a death would still be told of
    await end()
    expect(await rowOf(message)).toMatchObject({ weight: 0, suspicion: 0 })
  })

  test('is not suspected any more when the process that has lost its partition survives it', async () => {
    const message = messageAt()
    const guard = new CrashGuard(pool)
    await guard.assigned(message)
    const end = await begin(guard, message)
    const next = new CrashGuard(pool)
    expect((await next.assigned(message)).isStepped).toBe(true)
    await end()
    expect(await rowOf(message)).toMatchObject({ suspicion: 0 })
  })

  test('that is suspected has to wait for another time in each process, at most 10 s; others have not', async () => {
    const [message, other] = [messageAt(1), messageAt(2)]
    for (const part of [0.5, 0.1]) {
      await dieWith(message)
      const verdict = await new CrashGuard(pool, () => part).assigned(message)
      expect([verdict.holdBackMs(message), verdict.holdBackMs(other)]).toEqual([part * 10_000, 0])
    }
  })

  test('that kills its process is still suspected when others were handled alone after that, and were not to blame', async () => {
    const killer = messageAt(5)
    const before = messageAt(4, killer.topic)
    await dieWith(killer)
    const guard = new CrashGuard(pool)
    await guard.assigned(before)
    await guard.exclusive(before, async () => {})
    expect(await rowOf(killer)).toMatchObject({ weight: 0, suspicion: 3 })
  })
})

describe('a mark', () => {
  /** A guard whose database fails at what the pattern says, as long as it is there. */
  function fragile () {
    const state = { refuses: undefined as RegExp | undefined }
    const query = async (text: string, values: unknown[]) => {
      if (state.refuses?.test(text)) throw new Error('away')
      return await pool.query(text, values)
    }
    return { state, guard: new CrashGuard({ query: query as never }) }
  }

  test('that could not be taken back is, before its message is tried again', async () => {
    const message = messageAt()
    const { state, guard } = fragile()
    await guard.assigned(message)
    state.refuses = /case when owner/
    await expect(guard.exclusive(message, async () => { throw new Error('no') })).rejects.toThrow('no')
    expect(await rowOf(message)).toMatchObject({ weight: 3 })
    await expect(guard.shared(async () => 'handled', message)).rejects.toThrow('away')
    state.refuses = undefined
    expect(await guard.shared(async () => (await rowOf(message))?.weight, message)).toBe(0)
  })

  test('that could not be made to weigh less, or be taken back, does not undo what its handler has done', async () => {
    const message = messageAt()
    const { state, guard } = fragile()
    await guard.assigned(message)
    expect(await guard.exclusive(message, async () => {
      state.refuses = /^\s*update/
      await sleep(100)
      return 'done'
    })).toBe('done')
  })

  test('keeps its whole weight until the handler begins, however long the database takes to begin a transaction', async () => {
    const message = messageAt()
    const guard = new CrashGuard(pool)
    await guard.assigned(message)
    let [begin, end] = [() => {}, () => {}]
    const started = new Promise<void>(resolve => { begin = resolve })
    const ended = new Promise<void>(resolve => { end = resolve })
    const handled = guard.exclusive(message, async () => await ended, { started })
    await vi.waitFor(async () => expect(await rowOf(message)).toMatchObject({ weight: 3 }), { timeout: 60_000 })
    await sleep(200) // four times as long as the weight lasts after the start
    expect(await rowOf(message)).toMatchObject({ weight: 3 })
    begin()
    await vi.waitFor(async () => expect(await rowOf(message)).toMatchObject({ weight: 1 }))
    end()
    await handled
  })

  test('is not set for a handler whose turn comes after the service has begun to end', async () => {
    const [first, second] = [messageAt(), messageAt()]
    const guard = new CrashGuard(pool)
    await guard.assigned(first)
    await guard.assigned(second)
    const stop = new AbortController()
    const end = await begin(guard, first)
    const task = vi.fn(async () => {})
    const waiting = guard.exclusive(second, task, { signal: stop.signal })
    stop.abort(new Error('the service ends'))
    await Promise.all([end(), expect(waiting).rejects.toThrow('the service ends')])
    expect(task).not.toHaveBeenCalled()
    expect(await rowOf(second)).toMatchObject({ message: null })
  })
})

test('no handler runs beside one that is marked, of whatever topic', async () => {
  const guard = new CrashGuard(pool)
  const running = { marked: 0, others: 0, most: 0 }
  const task = (kind: 'marked' | 'others') => async () => {
    running[kind] += 1
    expect(running.marked === 0 || running.marked + running.others === 1).toBe(true)
    running.most = Math.max(running.most, running.others)
    await sleep(5)
    running[kind] -= 1
  }
  const message = messageAt(1)
  await Promise.all(Array.from({ length: 40 }, async (_, index) => index % 8 === 0 ? await guard.exclusive(message, task('marked')) : await guard.shared(task('others'))))
  expect(running.most).toBeGreaterThan(1)
})

test('no handler runs while a message that has crashed is passed, for 3 s at most', async () => {
  const guard = new CrashGuard(pool)
  const order: string[] = []
  const passed = guard.withoutHandlers(async () => { await sleep(50); order.push('passed') })
  await Promise.all([passed, guard.shared(async () => { order.push('handled') })])
  expect(order).toEqual(['passed', 'handled'])
  guard.withoutHandlers(never).catch(() => {})
  await guard.shared(async () => {})
})

test('a handler that hangs keeps a marked one waiting for a second, not for ever', async () => {
  const guard = new CrashGuard(pool)
  guard.shared(never).catch(() => {})
  await guard.exclusive(messageAt(1), async () => {})
  await guard.shared(async () => {})
})
