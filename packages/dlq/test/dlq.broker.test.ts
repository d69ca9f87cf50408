import { spawnSync } from 'node:child_process'
import { userInfo } from 'node:os'
import { Producer, startBroker, TopicReader, type OutgoingMessage } from '@pair/kafka'
import { deadLetterTopic, isFor, replayableForMs } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { expect, inject, onTestFinished, test } from 'vitest'
import { deadLetter, type Cut, type Failure } from '../../service/dist/messages/dead-letters.js'
import { newName } from '../../../test/fixtures/records.js'
import { dlq as run, failure, message, script } from './cli.js'

/** A topic of its own with its dead letters, and the tool on it. */
async function stage (brokers = inject('kafkaBrokers')) {
  const topic = newName('topic')
  const producer = new Producer({ bootstrapBrokers: brokers.split(','), 'compression.type': 'gzip' })
  onTestFinished(() => producer.close())
  const put = async (...messages: OutgoingMessage[]) => (await producer.send({ messages })).map(({ partition, offset }) => `${partition}:${offset}`)
  await put({ topic, partition: 0, value: 'a good one' })
  /** Puts letters on partition 0 of the dead-letter topic, and returns where they are. */
  const letters = async (...originals: Array<Partial<ReturnType<typeof message>> & { cut?: Cut, group?: string, because?: Partial<Failure> }>) =>
    await put(...originals.map(({ cut, group = 'mailer', because, ...original }) => ({ ...deadLetter(message({ topic, ...original }), { ...failure, ...because }, group, cut), topic: deadLetterTopic(topic), partition: 0 })))
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
  expect((await dlq('list')).out).toMatch(/^LETTER {4}STATE {6}GROUP .*\n\S+ +new +a +failed /)
  expect(states(await dlq('list', '--group', 'b', '--json'))).toEqual({ [ofB]: 'new', [other]: 'new' })

  expect(await dlq('replay', '--all', '--dry-run')).toMatchObject({ code: 0, err: '3 dead letters would be replayed in 2 messages, 0 failed\n' })
  expect(await dlq('replay', '--all')).toMatchObject({ code: 0, err: '3 dead letters replayed in 2 messages, 0 failed\n' })
  const groupsOf = async () => (await replayed()).flatMap(({ headers }) => headers.flatMap(header => header['dlq.replay.groups']?.toString() ?? [])).sort()
  expect(await groupsOf()).toEqual(['["a","b"]', '["b"]'])
  expect(await dlq('replay', '--all')).toMatchObject({ code: 0, err: '0 dead letters replayed, 0 failed, 3 replayed before\n' })

  const [late = ''] = await letters({ offset: 1, group: 'c' })
  expect(await dlq('replay', '--all', '--group', 'a')).toMatchObject({ code: 0, err: '0 dead letters replayed, 0 failed, 1 replayed before\n' })
  expect(await dlq('replay', late, ofB, '--group', 'c')).toMatchObject({ code: 1, out: expect.stringContaining(`${ofB} failed: it does not match --group\n`) })
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
  for (const letter of [old, oldReplay, forged]) expect(out).toMatch(new RegExp(`^user_register:${letter} failed: the message is of \\S+, more than 9 days old: a service that has processed it may have forgotten`, 'm'))
  expect(out).toMatch(new RegExp(`^user_register:${recent} replayed to ${topic}`, 'm'))
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
  expect({ code, err }).toEqual({ code: 1, err: '2 dead letters replayed, 1 failed, 1 foreign record left alone\n' })
  expect(out).toContain(`${cut} failed: its value was left out: there is nothing to send\n`)
  expect(out).toMatch(new RegExp(`^${headless} replayed to .*, without its headers, which were cut$`, 'm'))
  expect(out).toMatch(new RegExp(`^${whole} replayed to `, 'm'))
  expect(await replayed()).toHaveLength(2)
  expect(await dlq('replay', foreign)).toMatchObject({ code: 1, out: `${foreign} failed: no dead letter: no header dlq.reason\n` })
  expect(await replayed()).toHaveLength(2)
})

test('list, show, replay and discard are about the letters that match, and about no others', async () => {
  const { letters, dlq, replayed } = await stage()
  const key = Buffer.from('anna')
  const [first = '', second = '', third = '', fourth = ''] = await letters(
    { offset: 1, key }, { offset: 2, group: 'b', because: { reason: 'not-valid', error: 'no Email' } }, { offset: 3, group: 'b' }, { offset: 4, because: { error: 'No EMAIL' } })
  const listed = async (...args: string[]) => Object.keys(states(await dlq('list', '--json', ...args)))
  expect(await listed('--reason', 'not-valid')).toEqual([second])
  expect(await listed('--reason', 'not-valid', '--reason', 'failed')).toEqual([first, second, third, fourth])
  expect(await listed('--group', 'b', '--reason', 'failed')).toEqual([third])
  expect(await listed('--key', 'anna')).toEqual([first])
  expect(await listed('--error', 'email')).toEqual([second, fourth])
  expect(await listed('--since', '1h')).toEqual([first, second, third, fourth])
  expect(await listed('--until', '1h')).toEqual([])
  expect((await dlq('list', '--until', '1h')).err).toMatch(/^0 dead letters in \S+\.dlq, 0 of them replayed\n$/)
  expect(await dlq('show', '--all', '--error', 'email', '--json')).toMatchObject({ code: 0, json: [{ letter: second }, { letter: fourth }] })
  expect((await dlq('show', '--all', '--group', 'b')).out).toMatch(new RegExp(`^letter {4}${second} [^]*\n\nletter {4}${third} `))
  expect(await dlq('show', first, second, '--group', 'b', '--json')).toMatchObject({ code: 1, err: `${first} does not match --group\n`, json: [{ letter: second }] })

  expect(await dlq('replay', '--all', '--group', 'b', '--error', 'mail SERVER')).toMatchObject({ code: 0, err: '1 dead letter replayed, 0 failed\n' })
  expect(await dlq('discard', '--all', '--error', 'email', '--why', 'a test')).toMatchObject({ code: 0, err: '2 dead letters discarded, 0 failed\n' })
  expect(await replayed()).toHaveLength(1)
  expect(states(await dlq('list', '--json'))).toEqual({ [first]: 'new', [second]: 'discarded', [third]: 'replayed', [fourth]: 'discarded' })
  expect(await listed('--state', 'new', '--state', 'replayed')).toEqual([first, third])
})

test('a discarded letter is listed and shown with who has discarded it and why, and a replay of all leaves it out', async () => {
  const { letters, dlq, replayed, topic } = await stage()
  const [first = '', second = ''] = await letters({ offset: 1 }, { offset: 2 })
  expect(await dlq('discard', first, '--why', 'a test', '--by', 'anna')).toMatchObject({ code: 0, out: `${first} discarded\n`, err: '1 dead letter discarded, 0 failed\n' })
  const { json: [listed] } = await dlq('list', '--json')
  expect(listed).toMatchObject({ state: 'discarded', discarded: { by: 'anna', why: 'a test', time: expect.stringMatching(/^\d{4}-.*Z$/) } })
  expect(await dlq('list')).toMatchObject({ out: expect.stringContaining(' the mail server said no (discarded by anna: a test)\n'), err: `2 dead letters in ${topic}.dlq, 0 of them replayed, 1 discarded\n` })
  expect((await dlq('show', first)).out).toMatch(/^letter .*, discarded\nby {8}anna, \d{4}-.*\nwhy {7}a test\n/)

  expect(await dlq('replay', '--all')).toMatchObject({ code: 0, out: expect.stringMatching(`^${second} replayed to `), err: '1 dead letter replayed, 0 failed, 1 discarded before\n' })
  expect(await replayed()).toHaveLength(1)
  expect(await dlq('discard', '--all', '--why', 'a test')).toMatchObject({ code: 0, out: '', err: '0 dead letters discarded, 0 failed, 1 replayed before, 1 discarded before\n' })
})

test('without --by it is the user of the operating system who discards', async () => {
  const { letters, dlq } = await stage()
  await letters({ offset: 1 })
  expect((await dlq('discard', '--all', '--why', 'a test', '--json')).json).toEqual([expect.objectContaining({ result: 'discarded', by: userInfo().username, why: 'a test' })])
})

test('a discarded letter that is named is replayed, and all of them with --state discarded, so that a discard can be undone', async () => {
  const { letters, dlq, replayed } = await stage()
  const [first = '', second = '', third = ''] = await letters({ offset: 1 }, { offset: 2 }, { offset: 3 })
  await dlq('discard', first, second, '--why', 'a mistake')
  expect(await dlq('replay', first)).toMatchObject({ code: 0, out: expect.stringMatching(`^${first} replayed to .*, discarded before\n$`) })
  expect(states(await dlq('list', '--json'))).toEqual({ [first]: 'replayed', [second]: 'discarded', [third]: 'new' })
  expect((await dlq('replay', '--all', '--state', 'discarded', '--json')).json).toEqual([expect.objectContaining({ letter: second, again: false, wasDiscarded: true })])
  expect(await dlq('discard', first, third, '--why', 'a test')).toMatchObject({ code: 0, out: `${first} discarded, replayed before\n${third} discarded\n` })
  expect(states(await dlq('list', '--json'))).toEqual({ [first]: 'discarded', [second]: 'replayed', [third]: 'discarded' })
  expect(await replayed()).toHaveLength(2)
})

test('a discard is about the letter of one group: a replay for the others does not name that group', async () => {
  const { letters, dlq, replayed } = await stage()
  await letters({ offset: 1, group: 'a' }, { offset: 1, group: 'b' })
  await dlq('discard', '--all', '--group', 'a', '--why', 'a test')
  expect(await dlq('replay', '--all')).toMatchObject({ code: 0, err: '1 dead letter replayed, 0 failed, 1 discarded before\n' })
  expect((await replayed()).flatMap(({ headers }) => headers.flatMap(header => header['dlq.replay.groups']?.toString() ?? []))).toEqual(['["b"]'])
})

test('a dry run of a discard says what would be done and does nothing', async () => {
  const { letters, dlq, reader, topic } = await stage()
  const [first = ''] = await letters({ offset: 1 })
  expect(await dlq('discard', '--all', '--why', 'a test', '--dry-run')).toMatchObject({ code: 0, out: `${first} would be discarded\n`, err: '1 dead letter would be discarded, 0 failed\n' })
  expect((await reader.topics()).has(`${topic}.dlq.replayed`)).toBe(false)
})

test('what cannot be discarded is named with its reason, the others are discarded, and the exit code says so', async () => {
  const { letters, put, dlq, topic } = await stage()
  const [foreign = ''] = await put({ topic: `${topic}.dlq`, partition: 0, value: 'foreign' })
  const [there = ''] = await letters({ offset: 1 })
  expect(await dlq('discard', foreign, '0:9', there, '--why', 'a test')).toMatchObject({
    code: 1,
    out: `${foreign} failed: no dead letter: no header dlq.reason\n0:9 failed: not there: partition 0 of ${topic}.dlq holds 0 to 1\n${there} discarded\n`,
    err: '1 dead letter discarded, 2 failed\n'
  })
  expect(await dlq('discard', '--all', '--why', 'a test')).toMatchObject({ code: 0, err: '0 dead letters discarded, 0 failed, 1 discarded before, 1 foreign record left alone\n' })
})

test('a letter that can never be replayed is discarded, and no longer fails a replay of all', async () => {
  const { letters, put, dlq, topic } = await stage()
  const [forged = ''] = await put({ ...deadLetter(message({ topic: 'payments' }), failure, 'mailer'), topic: `${topic}.dlq`, partition: 0 })
  const [cut = ''] = await letters({ offset: 1, cut: 'value' })
  expect(await dlq('replay', '--all')).toMatchObject({ code: 1, err: '0 dead letters replayed, 2 failed\n' })
  expect(await dlq('discard', '--all', '--why', 'a bad version')).toMatchObject({ code: 0, out: `${cut} discarded\n`, err: '1 dead letter discarded, 0 failed, 1 foreign record left alone\n' })
  expect(states(await dlq('list', '--json'))).toMatchObject({ [forged]: 'foreign' })
  expect(await dlq('discard', forged, '--why', 'nothing to send')).toMatchObject({ code: 0 })
  expect(await dlq('replay', '--all')).toMatchObject({ code: 0, err: '0 dead letters replayed, 0 failed, 2 discarded before\n' })
  expect(await dlq('replay', forged)).toMatchObject({ code: 1, out: expect.stringContaining('only letters of') })
})

test('several topics are listed, replayed and discarded at once, by letters that have the topic in their name', async () => {
  const { put, brokers } = await stage()
  const prefix = newName('environment')
  const about = (topic: string, offset: number) => ({ ...deadLetter(message({ topic: prefix + topic, offset }), failure, 'mailer'), partition: 0 })
  await put({ topic: `${prefix}a`, value: 'a good one' }, { topic: `${prefix}b`, value: 'a good one' })
  await put(about('a', 1), about('a', 2), about('b', 1))
  const dlq = async (...args: string[]) => await run(args, { brokers, prefix })
  const listed = await dlq('list')
  expect(listed.out.split('\n').map(line => line.split(' ')[0])).toEqual(['LETTER', 'a:0:0', 'a:0:1', 'b:0:0', ''])
  expect(listed.err).toBe(`2 dead letters in ${prefix}a.dlq, 0 of them replayed\n1 dead letter in ${prefix}b.dlq, 0 of them replayed\n`)
  expect((await dlq('list', '--key', 'nobody')).err).toBe('0 dead letters in 2 topics\n')

  for (const args of [['replay', '--all'], ['discard', '--all', '--why', 'a test'], ['replay', '0:0']]) {
    expect(await dlq(...args)).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/^2 topics have a dead-letter topic \(a, b\): say which with --topic <topic>, or .*\n$/) })
  }
  expect(await dlq('discard', 'b:0:0', 'a:0:1', '--why', 'a test')).toMatchObject({ code: 0, out: 'b:0:0 discarded\na:0:1 discarded\n', err: '2 dead letters discarded, 0 failed\n' })
  expect(await dlq('replay', '--all', '--all-topics')).toMatchObject({ code: 0, out: expect.stringMatching(`^a:0:0 replayed to ${prefix}a\\[`), err: '1 dead letter replayed, 0 failed, 2 discarded before\n' })
  expect(states(await dlq('list', '--json'))).toEqual({ 'a:0:0': 'replayed', 'a:0:1': 'discarded', 'b:0:0': 'discarded' })
  expect((await dlq('show', 'b:0:0')).out).toContain(`letter    b:0:0 of ${prefix}b.dlq, discarded\n`)
})

test('what earlier versions of this tool have remembered is still known', async () => {
  const { letters, put, dlq, topic } = await stage()
  const [first = '', second = ''] = await letters({ offset: 1 }, { offset: 2 })
  await put({ topic: `${topic}.dlq.replayed`, key: first, value: `{"origin":{"topic":"${topic}","partition":2,"offset":1,"time":1795229125631},"replayed":{"topic":"${topic}","partition":0,"offset":1,"time":"2026-11-21T12:00:00.000Z"}}` })
  expect(states(await dlq('list', '--json'))).toEqual({ [first]: 'replayed', [second]: 'new' })
})

test('what is in the log of operators and not of this tool harms nothing', async () => {
  const { letters, put, dlq, topic } = await stage()
  const places = await letters({ offset: 1 }, { offset: 2 }, { offset: 3 })
  const origin = (offset: number) => ({ topic, partition: 2, offset, time: 1795229125631 })
  await put({ topic: `${topic}.dlq.replayed`, key: places[0]!, value: { origin: { topic: { toString: 1 } } } })
  expect(Object.values(states(await dlq('list', '--json')))).toEqual(['new', 'new', 'new'])
  await put(...[{ origin: origin(1), discarded: 7 }, { origin: origin(2), discarded: {} }, { origin: origin(3), discarded: { by: ['\u001b[2J'], why: { toString: 1 } } }].map((value, index) => ({ topic: `${topic}.dlq.replayed`, key: places[index]!, value })))
  const { code, out } = await dlq('list')
  expect({ code, lines: out.split('\n').length }).toEqual({ code: 0, lines: 5 })
  expect(out).not.toContain('\u001b')
  expect(Object.values(states(await dlq('list', '--json')))).toEqual(['replayed', 'discarded', 'discarded'])
  expect(await dlq('show', '--all')).toMatchObject({ code: 0, out: expect.stringContaining('\nwhy       -\n') })
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

// util-linux's script gives a program a terminal.
test.skipIf(spawnSync('script', ['--version']).status !== 0)('a list has colours on a terminal, and none there with NO_COLOR or --json', async () => {
  const { letters, brokers, topic } = await stage()
  await letters({ offset: 1 })
  const onTerminal = (args: string, settings = {}) => spawnSync('script', ['-qec', `${process.execPath} ${script} ${args} --topic ${topic}`, '/dev/null'], {
    encoding: 'utf8', env: { PATH: process.env.PATH, TERM: 'xterm', KAFKA_BROKERS: brokers, ...settings }
  }).stdout
  expect(onTerminal('list')).toContain('\u001b[33mnew      \u001b[39m  mailer ')
  expect(onTerminal('list', { NO_COLOR: '1' })).toContain('  new        mailer ')
  for (const text of [onTerminal('list', { NO_COLOR: '1' }), onTerminal('list --json')]) expect(text).not.toContain('\u001b')
})

test('a broker that is away ends it with exit code 3 and one line within 15 s', async () => {
  const started = performance.now()
  expect(await run(['list'], { brokers: '127.0.0.1:1' })).toMatchObject({ code: 3, out: '', err: expect.stringMatching(/^No broker answers at 127\.0\.0\.1:1 \(KAFKA_BROKERS\): 127\.0\.0\.1:1: .*Connection refused\n$/) })
  expect(performance.now() - started).toBeLessThan(45_000) // on a machine three times slower
})

test('wrong arguments and wrong settings end it with exit code 2 and one line, and help with 0', async () => {
  expect(await run(['lst'], { brokers: '127.0.0.1:1' })).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/^"lst" is none of list, show, replay and discard.*\n$/) })
  expect(await run(['list'])).toMatchObject({ code: 2, out: '', err: 'KAFKA_BROKERS must be host:port,host:port, and is not set\n' })
  expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('replay --all'), err: '' })
})

const numbered = (count: number) => Array.from({ length: count }, (_, offset) => ({ offset, key: null, value: Buffer.from(String(offset)), headers: [] }))

test('20,000 letters are listed in flat memory', async () => {
  const { letters, brokers, topic } = await stage()
  for (let batch = 0; batch < 4; batch++) await letters(...numbered(5000))
  // A letter takes more than 1 KB of JavaScript's memory.
  const listed = await run(['list', '--topic', topic], { brokers, node: ['--max-old-space-size=40'] })
  expect(listed).toMatchObject({ code: 0, err: `20000 dead letters in ${topic}.dlq, 0 of them replayed\n` })
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

test('20,000 letters are discarded in flat memory', async () => {
  const { letters, brokers, topic } = await stage()
  for (let batch = 0; batch < 4; batch++) await letters(...numbered(5000))
  const discarded = await run(['discard', '--all', '--why', 'a test', '--topic', topic], { brokers, node: ['--max-old-space-size=40'] })
  expect(discarded).toMatchObject({ code: 0, err: '20000 dead letters discarded, 0 failed\n' })
})

test('a discard that is killed (-9) is taken up by the next one', async () => {
  const { letters, dlq, brokers, topic } = await stage()
  await letters(...numbered(5000))
  expect((await run(['discard', '--all', '--why', 'a test', '--topic', topic], { brokers, onOutput: child => child.kill('SIGKILL') })).code).toBe('SIGKILL')
  const { code, err } = await dlq('discard', '--all', '--why', 'a test')
  const [, now, before] = (/^(\d+) dead letters discarded, 0 failed, (\d+) discarded before\n$/.exec(err) ?? []).map(Number)
  expect({ code, total: Number(now) + Number(before) }).toEqual({ code: 0, total: 5000 })
  expect(before).toBeGreaterThan(0)
})

test('a broker that goes away in the middle of a discard ends it with exit code 3, and the next one discards the rest', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  const { letters, dlq, topic } = await stage(broker.brokers)
  await letters(...numbered(5000))
  const cut = await run(['discard', '--all', '--why', 'a test', '--topic', topic], { brokers: broker.brokers, onOutput: () => process.kill(broker.pid, 'SIGSTOP') })
  process.kill(broker.pid, 'SIGCONT')
  expect({ code: cut.code, err: cut.err }).toEqual({ code: 3, err: expect.stringMatching(/^(kafka: .*\n)*\d+ dead letters discarded, 0 failed\nNo broker answers at .*\n$/) })
  expect(await dlq('discard', '--all', '--why', 'a test')).toMatchObject({ code: 0, err: expect.stringMatching(/^\d+ dead letters discarded, 0 failed, \d+ discarded before\n$/) })
})

test('a broker that goes away in the middle ends a replay with exit code 3, and the next one sends the rest', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  const { letters, dlq, replayed, topic } = await stage(broker.brokers)
  const all = numbered(3000)
  await letters(...all)
  const cut = await run(['replay', '--all', '--topic', topic], { brokers: broker.brokers, onOutput: () => process.kill(broker.pid, 'SIGSTOP') })
  process.kill(broker.pid, 'SIGCONT')
  expect(cut).toMatchObject({ code: 3, err: expect.stringMatching(/^(kafka: .*\n)*\d+ dead letters replayed, \d+ failed\n.*(No broker answers at|cannot be remembered in).*\n$/) })
  expect(await dlq('replay', '--all')).toMatchObject({ code: 0, err: expect.stringMatching(/^\d+ dead letters replayed, 0 failed, \d+ replayed before\n$/) })
  expect(new Set((await replayed()).map(({ value }) => String(value)))).toEqual(new Set(all.map(({ value }) => String(value))))
})
