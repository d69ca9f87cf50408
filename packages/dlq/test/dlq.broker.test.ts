import { Producer, startBroker, TopicReader, type OutgoingMessage } from '@pair/kafka'
import { deadLetterTopic, isFor, replayableForMs } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { expect, inject, onTestFinished, test } from 'vitest'
import { deadLetter, type Cut } from '../../service/dist/messages/dead-letters.js'
import { newName } from '../../../test/fixtures/records.js'
import { dlq as run, failure, message } from './cli.js'

/** A topic of its own with its dead letters, and the tool on it. */
async function stage (brokers = inject('kafkaBrokers')) {
  const topic = newName('topic')
  const producer = new Producer({ bootstrapBrokers: brokers.split(','), 'compression.type': 'gzip' })
  onTestFinished(() => producer.close())
  const put = async (...messages: OutgoingMessage[]) => (await producer.send({ messages })).map(({ partition, offset }) => `${partition}:${offset}`)
  await put({ topic, partition: 0, value: 'a good one' })
  /** Puts letters on partition 0 of the dead-letter topic, and returns where they are. */
  const letters = async (...originals: Array<Partial<ReturnType<typeof message>> & { cut?: Cut, group?: string }>) =>
    await put(...originals.map(({ cut, group = 'mailer', ...original }) => ({ ...deadLetter(message({ topic, ...original }), failure, group, cut), topic: deadLetterTopic(topic), partition: 0 })))
  const dlq = async (...args: string[]) => await run([...args, '--topic', topic], { brokers })
  const reader = new TopicReader({ bootstrapBrokers: brokers.split(',') })
  onTestFinished(() => reader.close())
  /** What is on the topic beside the good one. */
  const replayed = async () => {
    const found = []
    for await (const record of reader.read(topic)) if (record.value?.toString() !== 'a good one') found.push(record)
    return found.sort((one, other) => one.timestamp - other.timestamp)
  }
  return { topic, letters, put, dlq, reader, replayed, brokers, producer }
}

const states = ({ json }: { json: Array<Record<string, unknown>> }) => Object.fromEntries(json.map(({ letter, state }) => [letter, state]))

test('letters are listed, shown, and replayed with key, headers and bytes as they were', async () => {
  const { letters, dlq, replayed, topic } = await stage()
  const originals = [
    { offset: 1, key: Buffer.from([0, 255]), value: Buffer.from([255, 0, 1]), headers: [{ a: Buffer.from('1') }, { a: Buffer.from('ü') }] },
    { offset: 2, key: null, value: null, headers: [] },
    { offset: 3, key: Buffer.from('k'), value: Buffer.alloc(0) }
  ]
  const [first = ''] = await letters(...originals)
  const listed = await dlq('list', '--json')
  expect(listed).toMatchObject({ code: 0, err: `3 dead letters in ${topic}.dlq, 0 of them replayed\n` })
  expect(listed.json.map(({ origin }) => origin)).toEqual([1, 2, 3].map(offset => ({ topic, partition: 2, offset, time: '2026-11-21T02:45:25.631Z' })))
  expect((await dlq('show', first, '--json')).json).toEqual([expect.objectContaining({ state: 'new', value: { base64: '/wAB' } })])
  expect((await dlq('show', first)).out).toContain('ff 00 01')

  const sent = await dlq('replay', '--all')
  expect(sent).toMatchObject({ code: 0, err: '3 dead letters replayed, 0 failed\n' })
  expect(sent.out).toMatch(new RegExp(`^${first} replayed to ${topic}\\[\\d+\\]@\\d+\n`))
  const found = (await replayed()).map(({ key, value, headers }) => JSON.stringify({ key, value, headers }))
  const added = [{ 'dlq.first.timestamp': Buffer.from('1795229125631') }, { 'dlq.replay.groups': Buffer.from('["mailer"]') }]
  expect(found.sort()).toEqual(originals.map(({ key, value, headers = message().headers }) => JSON.stringify({ key, value, headers: [...headers, ...added] })).sort())
})

test('a letter is taken by the broker and listed, whatever its error and its group are', async () => {
  const { put, dlq, topic } = await stage()
  const text = `\0 \ud800 ${'€'.repeat(350_000)}`
  await put(deadLetter(message({ topic }), { ...failure, error: text }, '\0group', 'nothing'))
  const { json } = await dlq('list', '--json')
  expect(json).toEqual([expect.objectContaining({ state: 'new', group: '\ufffdgroup', error: expect.stringMatching(/^\ufffd \ufffd €{330}$/) })])
})

test('letters of several groups about one message are listed by group, and replayed as one message that names these groups', async () => {
  const { letters, dlq, replayed } = await stage()
  const [ofA = '', ofB = '', other = ''] = await letters({ offset: 1, group: 'a' }, { offset: 1, group: 'b' }, { offset: 2, group: 'b' })
  expect((await dlq('list', '--json')).json.map(({ letter, group }) => [letter, group])).toEqual([[ofA, 'a'], [ofB, 'b'], [other, 'b']])
  expect((await dlq('list')).out).toMatch(/^LETTER {4}STATE {5}GROUP .*\n\S+ +new +a +failed /)
  expect(states(await dlq('list', '--group', 'b', '--json'))).toEqual({ [ofB]: 'new', [other]: 'new' })

  expect(await dlq('replay', '--all', '--dry-run')).toMatchObject({ code: 0, err: '3 dead letters would be replayed in 2 messages, 0 failed\n' })
  expect(await dlq('replay', '--all')).toMatchObject({ code: 0, err: '3 dead letters replayed in 2 messages, 0 failed\n' })
  const groupsOf = async () => (await replayed()).flatMap(({ headers }) => headers.flatMap(header => header['dlq.replay.groups']?.toString() ?? [])).sort()
  expect(await groupsOf()).toEqual(['["a","b"]', '["b"]'])
  expect(await dlq('replay', '--all')).toMatchObject({ code: 0, err: '0 dead letters replayed, 0 failed, 3 replayed before\n' })

  const [late = ''] = await letters({ offset: 1, group: 'c' })
  expect(await dlq('replay', '--all', '--group', 'a')).toMatchObject({ code: 0, err: '0 dead letters replayed, 0 failed, 1 replayed before\n' })
  expect(await dlq('replay', late, ofB, '--group', 'c')).toMatchObject({ code: 1, out: expect.stringContaining(`${ofB} failed: it is a letter of the group b\n`) })
  expect(await groupsOf()).toEqual(['["a","b"]', '["b"]', '["c"]'])
})

test('what two groups cannot process has two letters more after each replay of all, and not twice as many', async () => {
  const { letters, put, dlq, replayed } = await stage()
  await letters({ offset: 1, group: 'a' }, { offset: 1, group: 'b' })
  /** As the services do: each group makes a letter of each message that is for it. */
  const fail = async (record: Awaited<ReturnType<typeof replayed>>[number]) => {
    for (const group of ['a', 'b', 'c']) if (isFor(group, record.headers)) await put({ ...deadLetter({ ...record, release () {} }, failure, group), partition: 0 })
  }
  for (let round = 1; round <= 3; round++) {
    expect(await dlq('replay', '--all')).toMatchObject({ code: 0, err: expect.stringMatching(/^2 dead letters replayed in 1 message, 0 failed/) })
    await fail((await replayed())[round - 1]!)
    expect(Object.values(states(await dlq('list', '--json'))).sort()).toEqual(['new', 'new', ...Array(2 * round).fill('replayed')])
  }
})

test('a replay goes only to the topic whose letters were asked for: one that says another is foreign, named, and left out', async () => {
  const { letters, put, dlq, replayed, reader, topic } = await stage()
  const payments = newName('payments')
  await put({ topic: payments, value: 'a good one' })
  const [forged = ''] = await put({ ...deadLetter(message({ topic: payments }), failure, 'mailer'), topic: `${topic}.dlq`, partition: 0 })
  const [real = ''] = await letters({ offset: 1 })
  expect(states(await dlq('list', '--json'))).toEqual({ [forged]: 'foreign', [real]: 'new' })
  expect((await dlq('list')).err).toBe(`1 dead letter in ${topic}.dlq, 0 of them replayed; 1 record that is none\n`)
  expect((await dlq('show', forged)).out).toContain(`letter    ${forged} of ${topic}.dlq, foreign\n`)

  for (const args of [['--all', '--dry-run'], ['--all'], [forged]]) {
    expect(await dlq('replay', ...args)).toMatchObject({ code: 1, out: expect.stringContaining(`${forged} failed: it says that it came from ${payments}, and only letters of ${topic} are sent\n`) })
  }
  expect(await replayed()).toHaveLength(1)
  expect(await reader.bounds(payments, 0)).not.toMatchObject({ high: 2 })
})

test('what is older than services are sure to know it again is not replayed, and said to be, however new its letter is', async () => {
  const { put, brokers, producer } = await stage()
  const prefix = newName('environment')
  const topic = `${prefix}user_register`
  await producer.send({ messages: [{ topic, value: 'a good one' }] })
  const ageMs = (ms: number) => Date.now() - replayableForMs(userRegister) + ms
  const about = (timestamp: number, first?: number) => ({
    ...deadLetter(message({ topic, timestamp, headers: first === undefined ? [] : [{ 'dlq.first.timestamp': Buffer.from(String(first)) }] }), failure, 'mailer'), partition: 0
  })
  const [old, oldReplay, forged, recent] = await put(about(ageMs(-1000)), about(Date.now(), ageMs(-1000)), about(ageMs(-1000), Date.now()), about(ageMs(600_000)))
  const { code, out, err } = await run(['replay', '--all'], { brokers, prefix })
  expect({ code, err }).toEqual({ code: 1, err: '1 dead letter replayed, 3 failed\n' })
  for (const letter of [old, oldReplay, forged]) expect(out).toMatch(new RegExp(`^${letter} failed: the message is of \\S+, more than 9 days old: a service that has processed it may have forgotten`, 'm'))
  expect(out).toMatch(new RegExp(`^${recent} replayed to ${topic}`, 'm'))
})

test('a second replay offers nothing, and a letter that is named is replayed once more', async () => {
  const { letters, dlq, replayed } = await stage()
  const [first = '', second = ''] = await letters({ offset: 1 }, { offset: 2 })
  expect((await dlq('replay', first, '--json')).json).toEqual([expect.objectContaining({ letter: first, result: 'replayed', again: false })])
  expect(states(await dlq('list', '--json'))).toEqual({ [first]: 'replayed', [second]: 'new' })
  expect((await dlq('replay', '--all', '--json')).json).toEqual([expect.objectContaining({ letter: second, again: false })])
  expect(await dlq('replay', '--all')).toMatchObject({ code: 0, out: '', err: '0 dead letters replayed, 0 failed, 2 replayed before\n' })
  expect(await dlq('replay', first)).toMatchObject({ code: 0, out: expect.stringContaining(', once more\n') })
  expect(await replayed()).toHaveLength(3)
})

test('a dry run says what would be done and does nothing', async () => {
  const { letters, dlq, replayed, reader, topic } = await stage()
  const [first, second] = await letters({ offset: 1 }, { offset: 2, cut: 'value' })
  expect(await dlq('replay', '--all', '--dry-run')).toMatchObject({
    code: 1,
    out: expect.stringMatching(`^${second} failed: .*\n${first} would be replayed to ${topic}\n$|^${first} would be replayed to ${topic}\n${second} failed: .*\n$`),
    err: '1 dead letter would be replayed, 1 failed\n'
  })
  expect(await replayed()).toEqual([])
  expect((await reader.topics()).has(`${topic}.dlq.replayed`)).toBe(false)
})

test('what cannot be replayed is named with its reason, the others are replayed, and the exit code says so', async () => {
  const { letters, put, dlq, replayed, topic } = await stage()
  const [foreign = ''] = await put({ topic: `${topic}.dlq`, partition: 0, value: 'foreign' })
  const [cut, headless, whole] = await letters({ offset: 1, cut: 'value' }, { offset: 2, cut: 'headers' }, { offset: 3 })
  expect(Object.values(states(await dlq('list', '--json')))).toEqual(['foreign', 'new', 'new', 'new'])

  const { code, out, err } = await dlq('replay', '--all')
  expect({ code, err }).toEqual({ code: 1, err: '2 dead letters replayed, 1 failed, 1 record left alone, no dead letter\n' })
  expect(out).toContain(`${cut} failed: its value was cut, because the broker did not take it: there is nothing to send\n`)
  expect(out).toMatch(new RegExp(`^${headless} replayed to .*, without its headers, which were cut$`, 'm'))
  expect(out).toMatch(new RegExp(`^${whole} replayed to `, 'm'))
  expect(await replayed()).toHaveLength(2)
  expect(await dlq('replay', foreign)).toMatchObject({ code: 1, out: `${foreign} failed: no dead letter: no header dlq.reason\n` })
  expect(await replayed()).toHaveLength(2)
})

test('letters of a topic that is gone are not replayed, and do not bring it back', async () => {
  const { reader, put, brokers } = await stage()
  const gone = newName('gone')
  const [orphan = ''] = await put({ ...deadLetter(message({ topic: gone }), failure, 'mailer'), partition: 0 })
  expect(await run(['replay', orphan, '--topic', gone], { brokers })).toMatchObject({ code: 1, out: `${orphan} failed: the topic ${gone} that it came from is not there any more\n` })
  expect((await reader.topics()).has(gone)).toBe(false)
})

test('a letter that is not there is named, and the others are replayed', async () => {
  const { letters, dlq, topic } = await stage()
  const [there = ''] = await letters({ offset: 1 })
  expect(await dlq('show', '0:1')).toMatchObject({ code: 1, out: '', err: `0:1 is not there: partition 0 of ${topic}.dlq holds 0 to 0\n` })
  expect(await dlq('show', '99:0')).toMatchObject({ code: 1, err: expect.stringMatching(`^99:0 is not there: ${topic}.dlq has the partitions 0 to \\d+\n$`) })
  expect(await dlq('replay', '0:1', there)).toMatchObject({ code: 1, out: expect.stringMatching(`^0:1 failed: not there: .*\n${there} replayed to `) })
})

test('a topic that is not there is an error of its own, and is not created', async () => {
  const { reader, brokers } = await stage()
  const topic = newName('nowhere')
  for (const args of [['list'], ['show', '0:0'], ['replay', '--all']]) {
    expect(await run([...args, '--topic', topic], { brokers })).toMatchObject({ code: 3, out: '', err: `There is no topic ${topic}.dlq on this broker\n` })
  }
  expect([...(await reader.topics()).keys()].filter(name => name.startsWith(topic))).toEqual([])
})

test('a replay is remembered for the letter it was, not for another one that has its place', async () => {
  const { letters, put, dlq, topic } = await stage()
  const [first = '', second = ''] = await letters({ offset: 1 }, { offset: 2 })
  const origin = { topic, partition: 2, offset: 999, time: 5 }
  await put(...[[first, { origin }], [second, 'no object'], ['rubbish', { origin }], ['9999:1', { origin }], [null, null]].map(([key, value]) => ({ topic: `${topic}.dlq.replayed`, key: key as string, value })))
  expect(states(await dlq('list', '--json'))).toEqual({ [first]: 'new', [second]: 'new' })
})

test('a broker that is away ends it with exit code 3 and one line within 15 s', async () => {
  const started = performance.now()
  expect(await run(['list'], { brokers: '127.0.0.1:1' })).toMatchObject({ code: 3, out: '', err: expect.stringMatching(/^No broker answers at 127\.0\.0\.1:1 \(KAFKA_BROKERS\): 127\.0\.0\.1:1: .*Connection refused\n$/) })
  expect(performance.now() - started).toBeLessThan(45_000) // on a machine three times slower
})

test('wrong arguments and wrong settings end it with exit code 2 and one line, and help with 0', async () => {
  expect(await run(['lst'], { brokers: '127.0.0.1:1' })).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/^"lst" is none of list, show and replay.*\n$/) })
  expect(await run(['list'])).toMatchObject({ code: 2, out: '', err: 'KAFKA_BROKERS must be host:port,host:port, and is not set\n' })
  expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('replay --all'), err: '' })
})

const numbered = (count: number) => Array.from({ length: count }, (_, offset) => ({ offset, key: null, value: Buffer.from(String(offset)), headers: [] }))

test('20,000 letters are listed in flat memory', async () => {
  const { letters, brokers, topic } = await stage()
  for (let batch = 0; batch < 4; batch++) await letters(...numbered(5000))
  // A letter takes more than 1 KB of JavaScript's memory.
  const listed = await run(['list', '--topic', topic], { brokers, node: ['--max-old-space-size=40'] })
  expect(listed).toMatchObject({ code: 0, err: `10000 records read …\n20000 records read …\n20000 dead letters in ${topic}.dlq, 0 of them replayed\n` })
  expect(listed.out.split('\n')).toHaveLength(20_000 + 2)
})

test('a replay that is killed (-9) is taken up by the next one', async () => {
  const { letters, dlq, replayed, brokers, topic } = await stage()
  const all = numbered(5000)
  await letters(...all)
  const killed = await run(['replay', '--all', '--topic', topic], { brokers, onOutput: child => child.kill('SIGKILL') })
  expect(killed.code).toBe('SIGKILL')
  const { code, err } = await dlq('replay', '--all')
  const [, sent, before] = (/^(\d+) dead letters replayed, 0 failed, (\d+) replayed before\n$/.exec(err) ?? []).map(Number)
  expect({ code, total: Number(sent) + Number(before) }).toEqual({ code: 0, total: 5000 })
  expect(before).toBeGreaterThan(0)
  expect(new Set((await replayed()).map(({ value }) => String(value)))).toEqual(new Set(all.map(({ value }) => String(value))))
})

test('a broker that goes away in the middle ends a replay with exit code 3, and the next one sends the rest', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  const { letters, dlq, replayed, topic } = await stage(broker.brokers)
  const all = numbered(3000)
  await letters(...all)
  const cut = await run(['replay', '--all', '--topic', topic], { brokers: broker.brokers, onOutput: () => process.kill(broker.pid, 'SIGSTOP') })
  process.kill(broker.pid, 'SIGCONT')
  expect(cut).toMatchObject({ code: 3, err: expect.stringMatching(/\n?.*(No broker answers at|cannot be remembered in)/) })
  expect(await dlq('replay', '--all')).toMatchObject({ code: 0, err: expect.stringMatching(/^\d+ dead letters replayed, 0 failed, \d+ replayed before\n$/) })
  expect(new Set((await replayed()).map(({ value }) => String(value)))).toEqual(new Set(all.map(({ value }) => String(value))))
})
