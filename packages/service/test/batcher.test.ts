import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Batcher } from '../dist/database/batcher.js'

const refusal = (code: string) => Object.assign(new Error('no'), { severity: 'ERROR', code })
const turn = () => new Promise(resolve => setImmediate(resolve))

/** A statement that doubles numbers, fails or waits as told, and remembers its groups. */
function start (act: (items: number[]) => Promise<unknown> | Error | undefined = () => undefined, largest?: number) {
  const groups: number[][] = []
  const all = new Batcher<{ n: number }, number>(async items => {
    const numbers = items.map(({ n }) => n)
    groups.push(numbers)
    await turn()
    const outcome = await act(numbers)
    if (outcome instanceof Error) throw outcome
    return numbers.map(n => n * 2)
  }, largest)
  return { groups, all, run: async (numbers: number[]) => await Promise.allSettled(numbers.map(async n => await all.run({ n }))) }
}
const fulfilled = (value: number) => ({ status: 'fulfilled', value })

describe('calls', () => {
  test('of one turn are one statement, and each gets its own result', async () => {
    const { groups, run } = start()
    expect(await run([1, 2, 3])).toEqual([2, 4, 6].map(fulfilled))
    expect(groups).toEqual([[1, 2, 3]])
  })

  test('that come while a statement runs are the next one, never beside it', async () => {
    const { groups, run } = start()
    const first = run([1])
    await turn()
    await Promise.all([first, run([2]), run([3])])
    expect(groups).toEqual([[1], [2, 3]])
  })

  test('are at most so many in a statement', async () => {
    const { groups, run } = start(undefined, 2)
    expect(await run([1, 2, 3, 4, 5])).toEqual([2, 4, 6, 8, 10].map(fulfilled))
    expect(groups).toEqual([[1, 2], [3, 4], [5]])
  })

  test.each(['22P05', '23502', '40P01', '55P03', '57014', 'XX000'])('beside one that fails with SQLSTATE %s succeed', async code => {
    const { run } = start(items => items.includes(3) ? refusal(code) : undefined)
    const results = await run([1, 2, 3, 4, 5])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  })

  test('do not wait for one that hangs alone, nor does it come into a group again', async () => {
    let release = () => {}
    const hanging = new Promise<void>(resolve => { release = resolve })
    const { groups, all, run } = start(items => items.length > 1 && items.includes(3) ? refusal('57014') : items.includes(3) ? hanging.then(() => refusal('57014')) : undefined)
    const stuck = { n: 3 }
    const first = all.run(stuck)
    expect(await run([1, 2])).toEqual([2, 4].map(fulfilled))
    expect(await run([4, 5])).toEqual([8, 10].map(fulfilled))
    release()
    await expect(first).rejects.toMatchObject({ code: '57014' })
    const before = groups.length
    await Promise.allSettled([all.run(stuck), run([6, 7])])
    expect(groups.slice(before)).toEqual(expect.arrayContaining([[3], [6, 7]]))
  })

  test('that wait while the database is away hear of it with those before them', async () => {
    const { groups, run } = start(() => Object.assign(new Error('gone'), { code: 'ECONNRESET' }))
    const first = run([1])
    await turn()
    const results = await Promise.all([first, run([2, 3])])
    expect(results.flat().map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(groups).toEqual([[1]])
  })

  test('do not wait for minutes where the database is slow with all of them', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => { vi.useRealTimers() })
    const { groups, run } = start(() => { vi.advanceTimersByTime(1000); return refusal('57014') })
    expect((await run(Array.from({ length: 50 }, (_, n) => n))).every(({ status }) => status === 'rejected')).toBe(true)
    expect(groups.length).toBeLessThan(10)
  })

  test.each([['a broken connection', Object.assign(new Error('gone'), { code: 'ECONNRESET' })], ['a server that shuts down', refusal('57P01')]])('all fail with %s, in one statement', async (_what, error) => {
    const { groups, run } = start(() => error)
    expect((await run([1, 2, 3])).every(result => result.status === 'rejected' && result.reason === error)).toBe(true)
    expect(groups).toHaveLength(1)
  })
})
