import { randomUUID } from 'node:crypto'
import { blog, blogExample } from '@pair/messages-shared-topics'
import { expect, test } from 'vitest'
import { startKafkaProxy } from '../../../test/fixtures/kafka-proxy.js'
import { committed, endsOf, read } from '../../../test/fixtures/records.js'
import { eventually, outcomesOf, throughout, type Service } from '../../../test/fixtures/services.js'
import { brokers, cannotPause, kill, memoryOf, onBroker, pauseBroker, put, resumeBroker, startReady, useBroker } from '../../../test/fixtures/harness.js'
import { startUnread } from './unread.js'

// The promises of the README, on real processes.

const producer = 'examples/messages/microservices/producer'
const consumer = 'examples/messages/microservices/consumer'
const archive = 'examples/messages/test/archive'
const allPartitions = [0, 1, 2, 3]

useBroker({ isTakenAway: true })

const article = { sender: 'producer', receiver: 'consumer', message: 'KAFKA!' }
const newMessages = (count: number, receiver: string = randomUUID()) => Array.from({ length: count }, (_, index) => ({ sender: 'producer', receiver, message: `${index} of ${receiver}` }))

const send = async ({ url }: Service, body: unknown, headers: Record<string, string> = { 'content-type': 'application/json' }) => await fetch(`${url}/api/messages`, {
  method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body)
})

/** What the consumer printed for this receiver, in its order: the number of each message. */
const printedFor = (printed: readonly string[], receiver: string) => printed.flatMap(line => {
  const number = new RegExp(`message: '(\\d+) of ${receiver}'`).exec(line)?.[1]
  return number === undefined ? [] : [Number(number)]
})
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

/** As many events on the topic, of so many receivers. */
async function putMessages (count: number, receivers: string[]) {
  const messages = numbers(count).map(index => ({ sender: 'producer', receiver: receivers[index % receivers.length] as string, message: `${Math.floor(index / receivers.length)} of ${receivers[index % receivers.length]}` }))
  for (let from = 0; from < count; from += 1000) {
    await put(...messages.slice(from, from + 1000).map(data => ({ topic: onBroker(blog.name), key: data.receiver, value: { ...blogExample, id: randomUUID(), subject: data.receiver, data } })))
  }
}

/** Offsets that the consumer's group has committed, summed over the partitions. */
async function committedMessages () {
  const offsets = await Promise.all(allPartitions.map(async partition => await committed(onBroker('consumer-service'), onBroker(blog.name), partition, brokers)))
  return offsets.reduce((sum, offset) => sum + Math.max(0, offset), 0)
}

test("the article's request is answered 202, and the consumer prints the object within a second", async () => {
  const [reader, writer] = await Promise.all([startReady(consumer), startReady(producer)])
  await eventually(async () => expect((await send(writer, { ...article, message: 'first' })).status).toBe(202)) // the topic is there from now on
  await eventually(() => expect(reader.printed.at(-1)).toContain('first'))
  const answer = await send(writer, article)
  expect({ status: answer.status, body: await answer.json() }).toEqual({ status: 202, body: { id: expect.stringMatching(/^[0-9a-f-]{36}$/) } })
  await eventually(() => expect(reader.printed.at(-1)).toBe("{ sender: 'producer', receiver: 'consumer', message: 'KAFKA!' }"), 3000) // 1 s, on a machine three times slower
})

test('what a message contains stays in its line: quotes, line ends, what controls a terminal, and 10,000 characters of any alphabet', async () => {
  const [reader, writer] = await Promise.all([startReady(consumer), startReady(producer)])
  const receiver = randomUUID()
  for (const message of ["it's\n}", '\u001b[2J', '語'.repeat(10_000)]) await eventually(async () => expect((await send(writer, { sender: 'a', receiver, message })).status).toBe(202))
  const own = () => [...new Set(reader.printed.filter(line => line.includes(receiver)))] // one whose acknowledgement was late is sent again
  await eventually(() => expect(own()).toHaveLength(3))
  expect(own()).toEqual([String.raw`message: "it's\n}" }`, String.raw`message: '\x1B[2J' }`, `message: '${'語'.repeat(10_000)}' }`].map(end => `{ sender: 'a', receiver: '${receiver}', ${end}`))
})

test('the answer waits for the acknowledgement: from a broker that gives none it is 503 within 2 s, with Retry-After, and says that the message may be delivered', async ({ skip }) => {
  skip(cannotPause !== false, String(cannotPause))
  const writer = await startReady(producer)
  await eventually(async () => expect((await send(writer, article)).status).toBe(202))
  await pauseBroker()
  const started = performance.now()
  const answer = await send(writer, article)
  expect({ status: answer.status, after: answer.headers.get('retry-after'), title: (await answer.json() as { title: string }).title }).toEqual({
    status: 503, after: '1', title: expect.stringContaining('it may be delivered all the same')
  })
  expect(performance.now() - started).toBeLessThan(6000) // 2 s, on a machine three times slower
  await resumeBroker()
  await eventually(async () => expect((await send(writer, article)).status).toBe(202))
})

test('with the way to the broker cut the answer is 503, and 202 again once it is back', async () => {
  const kafka = await startKafkaProxy(brokers)
  const writer = await startReady(producer, { KAFKA_BROKERS: kafka.address })
  await eventually(async () => expect((await send(writer, article)).status).toBe(202))
  kafka.set('cut')
  expect((await send(writer, article)).status).toBe(503)
  kafka.set('open')
  await eventually(async () => expect((await send(writer, article)).status).toBe(202))
})

test('what is no message is refused with a problem that says why', async () => {
  const writer = await startReady(producer)
  const cases: Array<[name: string, body: unknown, status: number, headers?: Record<string, string>]> = [
    ['an empty object', '{}', 400], ['nothing', '', 400], ['no JSON', '{"sender"', 400], ['an array', '[]', 400], ['another type', { ...article, message: 1 }, 400],
    ['an empty receiver', { ...article, receiver: '' }, 400], ['half a character', '{"sender":"a","receiver":"b","message":"\\ud800"}', 400],
    ['a megabyte', { ...article, message: 'x'.repeat(1_000_000) }, 413], ['text', 'KAFKA!', 415, { 'content-type': 'text/plain' }]
  ]
  for (const [name, body, status, headers] of cases) {
    const answer = await send(writer, body, headers)
    expect({ status: answer.status, type: answer.headers.get('content-type'), body: await answer.json() }, name).toEqual({
      status, type: expect.stringContaining('application/problem+json'), body: expect.objectContaining({ status, title: expect.any(String) })
    })
  }
})

test('messages that were posted without a consumer are printed after its start, those of one receiver in their order', async () => {
  const writer = await startReady(producer)
  const [one, other] = [newMessages(50), newMessages(50)]
  for (const index of numbers(50)) {
    for (const messages of [one, other]) await eventually(async () => expect((await send(writer, messages[index])).status).toBe(202))
  }
  const reader = await startReady(consumer)
  for (const messages of [one, other]) await eventually(() => expect([...new Set(printedFor(reader.printed, String(messages[0]?.receiver)))]).toEqual(numbers(50))) // one whose acknowledgement was late is sent again
})

test('a kill -9 of the consumer in the middle of 1,000 messages leaves no gap, and repeats only what was not committed', async () => {
  const receivers = [randomUUID(), randomUUID(), randomUUID(), randomUUID()]
  await putMessages(1000, receivers)
  const first = await startReady(consumer)
  const mine = ({ printed }: Service) => receivers.flatMap(receiver => printedFor(printed, receiver))
  await eventually(() => expect(mine(first).length).toBeGreaterThan(100))
  await kill(first)
  const all = (await endsOf(onBroker(blog.name), brokers)).reduce((sum, end) => sum + end, 0)
  const uncommitted = all - await committedMessages()
  const second = await startReady(consumer)
  await eventually(async () => expect(await committedMessages()).toBe(all))
  await eventually(() => {
    for (const receiver of receivers) expect(new Set([...printedFor(first.printed, receiver), ...printedFor(second.printed, receiver)])).toEqual(new Set(numbers(250)))
  })
  for (const receiver of receivers) expect(printedFor(second.printed, receiver)).toEqual(numbers(250).slice(250 - printedFor(second.printed, receiver).length)) // from one place on, in order
  expect(mine(second).length).toBeLessThanOrEqual(uncommitted)
})

test('after SIGTERM the consumer ends with 0, and the next one prints nothing twice', async () => {
  const receivers = [randomUUID(), randomUUID()]
  await putMessages(1000, receivers)
  const first = await startReady(consumer)
  const mine = ({ printed }: Service) => receivers.flatMap(receiver => printedFor(printed, receiver))
  await eventually(() => expect(mine(first).length).toBeGreaterThan(20))
  first.kill('SIGTERM')
  expect(await first.ended).toBe(0)
  const second = await startReady(consumer)
  await eventually(() => expect(mine(first).length + mine(second).length).toBeGreaterThanOrEqual(1000))
  for (const receiver of receivers) expect([...printedFor(first.printed, receiver), ...printedFor(second.printed, receiver)]).toEqual(numbers(500))
})

test('two consumers of one group print each message once, and another group prints all of them', async () => {
  const readers = await Promise.all([startReady(consumer), startReady(consumer), startReady(archive)])
  const [one, two, other] = readers as [Service, Service, Service]
  // Without a rebalance under way: each of the two has partitions, and all that was there is printed.
  await eventually(() => { for (const reader of [one, two]) expect(reader.lines.findLast(({ msg }) => String(msg).startsWith('kafka: partitions'))?.held).toBe(2) })
  const receivers = numbers(16).map(() => randomUUID() as string)
  await putMessages(160, receivers)
  const mine = (printed: string[]) => receivers.flatMap(receiver => printedFor(printed, receiver))
  await eventually(() => expect([mine([...one.printed, ...two.printed]).length, mine(other.printed).length]).toEqual([160, 160]))
  expect(mine(one.printed).length).toBeGreaterThan(0)
  expect(mine(two.printed).length).toBeGreaterThan(0)
})

test('a record that is no message is dead-lettered, and printing goes on', async () => {
  const reader = await startReady(consumer)
  const [place] = await put({ topic: onBroker(blog.name), value: Buffer.from([0xff, 0]), partition: 1 })
  const receiver = randomUUID()
  await put({ topic: onBroker(blog.name), key: receiver, partition: 1, value: { ...blogExample, data: newMessages(1, receiver)[0] } })
  await eventually(() => expect(printedFor(reader.printed, receiver)).toEqual([0]))
  const letters = await read(onBroker('blog.dlq'), 1, { brokers, from: allPartitions.map(partition => ({ partition })) })
  expect(letters.map(({ value }) => value)).toEqual([Buffer.from([0xff, 0])])
  const headers = Object.assign({}, ...letters[0]?.headers as object[]) as Record<string, Buffer>
  expect([String(headers['dlq.reason']), String(headers['dlq.partition']), Number(headers['dlq.offset'])]).toEqual(['not-decodable', '1', Number(place?.offset)])
  expect(await outcomesOf(reader, 'blog')).toMatchObject({ processed: expect.any(Number) })
})

test('while nobody reads its standard output the consumer fetches nothing more, stays a member of its group and below 200 MB; then it prints everything', async () => {
  const count = Number(process.env['MESSAGE_COUNT'] ?? 10_000) // the embedded broker keeps 5 MB of a partition
  const receivers = numbers(8).map(() => randomUUID() as string)
  const reader = await startUnread(consumer)
  const before = await committedMessages()
  await putMessages(count, receivers)
  await eventually(async () => expect(await committedMessages()).toBeGreaterThan(before))
  await throughout(Number(process.env['UNREAD_SECONDS'] ?? 10) * 1000, async () => { // over three session timeouts
    expect(await reader.isConsuming()).toBe(true)
    expect(memoryOf(reader)).toBeLessThan(200)
  })
  expect(await committedMessages()).toBeLessThan(before + count) // what a pipe holds is printed
  const printed = reader.read()
  await eventually(() => { for (const receiver of receivers) expect(printedFor(printed, receiver)).toHaveLength(count / receivers.length) }, 600_000)
  for (const receiver of receivers) expect(printedFor(printed, receiver)).toEqual(numbers(count / receivers.length))
  expect(printed.filter(line => !line.startsWith('{'))).toEqual([]) // no line was cut by another one
})
