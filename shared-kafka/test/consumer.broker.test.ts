import { Consumer, Producer, startBroker, type ClientOptions, type ClientState, type Message } from 'shared-kafka'
import { expect, inject, test, vi, type TestContext } from 'vitest'
import { committed, newName } from '../../test/fixtures/records.js'

const deadline = { timeout: 30_000, interval: 20 }

// Tests of one file run side by side here (joining a group takes 3 s), so each cleans up through its own context.
interface Wish { onTestFinished: TestContext['onTestFinished'], topic?: string, group?: string, brokers?: string, options?: ClientOptions }

/** A consumer that gathers what it is handed, and commits where told to. */
async function gather ({ onTestFinished, topic = newName('topic'), group = newName('group'), brokers = inject('kafkaBrokers'), options = {} }: Wish, onMessage: (message: Message, commit: () => void) => void = () => {}) {
  const states: ClientState[] = []
  const lines: string[] = []
  const note = (_details: object, text: string) => { lines.push(text) }
  const consumer = new Consumer({
    bootstrapBrokers: [brokers],
    groupId: group,
    maxWaitTime: 10,
    'session.timeout.ms': 3000,
    'heartbeat.interval.ms': 300,
    logger: { debug () {}, info: note, warn: note, error: note },
    onState: state => states.push(state),
    ...options
  })
  onTestFinished(() => consumer.close())
  const messages: Message[] = []
  const stream = await consumer.consume({ topics: [topic] })
  const ended = (async () => {
    for await (const message of stream) {
      messages.push(message)
      onMessage(message, () => { consumer.commit({ offsets: [message] }).catch(() => {}) })
    }
  })()
  return { consumer, stream, messages, states, lines, ended, topic, group }
}

async function fill (topic: string, count: number, brokers = inject('kafkaBrokers'), partition = 0) {
  const producer = new Producer({ bootstrapBrokers: [brokers] })
  await producer.send({ messages: Array.from({ length: count }, (_, index) => ({ topic, partition, value: String(index) })) })
  await producer.close()
}

const commitAll = (_message: Message, commit: () => void) => commit()
const offsets = (messages: Message[]) => messages.map(({ offset }) => offset)
const has = (states: ClientState[], type: ClientState['type'], times = 1) =>
  vi.waitFor(() => expect(states.filter(state => state.type === type).length).toBeGreaterThanOrEqual(times), deadline)

test.concurrent('a new group starts at the earliest message, the next member where the last one committed', async ({ onTestFinished }) => {
  const topic = newName('resume')
  await fill(topic, 5)
  const first = await gather({ onTestFinished, topic }, ({ offset }, commit) => { if (offset < 3) commit() })
  await vi.waitFor(() => expect(offsets(first.messages)).toEqual([0, 1, 2, 3, 4]), deadline)
  await first.consumer.close()
  const second = await gather({ onTestFinished, topic, group: first.group }, commitAll)
  await vi.waitFor(() => expect(offsets(second.messages)).toEqual([3, 4]), deadline)
})

test.concurrent('commits out of order reach the broker in the background, up to the first gap', async ({ onTestFinished }) => {
  const topic = newName('gap')
  await fill(topic, 4)
  const { messages, consumer, group } = await gather({ onTestFinished, topic })
  await vi.waitFor(() => expect(messages).toHaveLength(4), deadline)
  const commit = (offset: number) => consumer.commit({ offsets: [{ topic, partition: 0, offset }] })
  for (const offset of [3, 1, 0, 1]) await commit(offset)
  await vi.waitFor(async () => expect(await committed(group, topic)).toBe(2), deadline)
  await commit(2)
  await vi.waitFor(async () => expect(await committed(group, topic)).toBe(4), deadline)
})

test.concurrent('at most 1,000 messages are handed out without a commit, and membership is kept meanwhile', async ({ onTestFinished }) => {
  const topic = newName('bound')
  await fill(topic, 2500)
  const { messages, consumer, states } = await gather({ onTestFinished, topic, options: { 'max.poll.interval.ms': 3000 } })
  await vi.waitFor(() => expect(messages).toHaveLength(1000), deadline)
  // Longer than max.poll.interval.ms and the session timeout: who did not poll would be thrown out.
  const until = performance.now() + 5000
  await vi.waitFor(() => expect(performance.now()).toBeGreaterThan(until), deadline)
  expect(messages).toHaveLength(1000)
  expect(states.filter(({ type }) => type === 'assigned' || type === 'lost')).toHaveLength(1)
  const commitFrom = async (from: number) => {
    for (const message of messages.slice(from)) await consumer.commit({ offsets: [message] })
  }
  await commitFrom(0)
  await vi.waitFor(() => expect(messages).toHaveLength(2000), deadline)
  await commitFrom(1000)
  await vi.waitFor(() => expect(messages).toHaveLength(2500), deadline)
  expect(offsets(messages)).toEqual(Array.from({ length: 2500 }, (_, index) => index))
})

test.concurrent('a backlog does not keep the event loop from its other work', async ({ onTestFinished }) => {
  const topic = newName('backlog')
  await fill(topic, 4000)
  let turns = 0
  const turn = () => { turns++; if (messages.length < 4000) setImmediate(turn) }
  const { messages } = await gather({ onTestFinished, topic }, commitAll)
  setImmediate(turn)
  await vi.waitFor(() => expect(messages).toHaveLength(4000), deadline)
  expect(turns).toBeGreaterThan(40)
})

// librdkafka's mock cluster refuses a commit while its group rebalances; Kafka takes it.
test.skipIf(inject('brokerKind') === 'embedded')('on a rebalance what is in flight may finish, is committed, and does not come again', { concurrent: true }, async ({ onTestFinished }) => {
  const topic = newName('rebalance')
  await fill(topic, 1)
  const options = { 'partition.assignment.strategy': 'range' } // everything is revoked from everybody
  const first = await gather({ onTestFinished, topic, options })
  await vi.waitFor(() => expect(first.messages).toHaveLength(1), deadline)
  const second = await gather({ onTestFinished, topic, group: first.group, options }, commitAll)
  await vi.waitFor(() => expect(second.states).not.toHaveLength(0), deadline)
  await first.consumer.commit({ offsets: first.messages })
  await has(second.states, 'assigned')
  await first.consumer.close()
  await fill(topic, 1)
  await vi.waitFor(() => expect(offsets(second.messages)).toEqual([1]), deadline)
})

test.concurrent('a partition is given up after 5 s at most, and a commit that comes later is dropped with a log line', async ({ onTestFinished }) => {
  const topic = newName('late')
  await fill(topic, 1)
  const options = { 'partition.assignment.strategy': 'range' }
  const first = await gather({ onTestFinished, topic, options })
  await vi.waitFor(() => expect(first.messages).toHaveLength(1), deadline)
  const second = await gather({ onTestFinished, topic, group: first.group, options })
  await has(second.states, 'assigned')
  await vi.waitFor(() => expect(first.lines).toContain('kafka: partitions given up'), deadline)
  await first.consumer.close()
  await first.consumer.commit({ offsets: first.messages })
  expect(first.lines).toContain('kafka: commit dropped, the message is not in flight here')
  await vi.waitFor(() => expect(offsets(second.messages)).toEqual([0]), deadline)
})

test.concurrent('a message that the caller dropped on leaving is not waited for and comes again', async ({ onTestFinished }) => {
  const topic = newName('dropped')
  await fill(topic, 1)
  const { consumer, stream, messages, group } = await gather({ onTestFinished, topic }, () => {})
  await vi.waitFor(() => expect(messages).toHaveLength(1), deadline)
  await stream.return()
  const start = performance.now()
  await consumer.close()
  expect(performance.now() - start).toBeLessThan(2500)
  const again = await gather({ onTestFinished, topic, group })
  await vi.waitFor(() => expect(offsets(again.messages)).toEqual([0]), deadline)
})

test.concurrent('a broker that is away for a while never ends the stream', async ({ onTestFinished }) => {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  const topic = newName('away')
  await fill(topic, 1, broker.brokers)
  const { messages, states, group } = await gather({ onTestFinished, topic, brokers: broker.brokers }, commitAll)
  await vi.waitFor(async () => expect(await committed(group, topic, 0, broker.brokers)).toBe(1), deadline)
  process.kill(broker.pid, 'SIGSTOP')
  await has(states, 'lost')
  process.kill(broker.pid, 'SIGCONT')
  await has(states, 'assigned', 2)
  await fill(topic, 1, broker.brokers)
  await vi.waitFor(() => expect(offsets(messages)).toEqual([0, 1]), deadline)
})

test.concurrent.for(['up', 'down', 'paused', 'never seen'])('close ends within 5 s with a message in flight and the broker %s', async (how, { onTestFinished }) => {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  const topic = newName('close')
  const isSeen = how !== 'never seen'
  const { consumer, messages, ended } = await gather({ onTestFinished, topic, brokers: isSeen ? broker.brokers : '127.0.0.1:1' })
  if (isSeen) {
    await fill(topic, 1, broker.brokers)
    await vi.waitFor(() => expect(messages).toHaveLength(1), deadline)
  }
  if (how === 'down') await broker.close()
  if (how === 'paused') process.kill(broker.pid, 'SIGSTOP')
  const start = performance.now()
  await consumer.close()
  expect(performance.now() - start).toBeLessThan(5200)
  await ended
})

test.concurrent('what only connecting finds out is a fatal state and rejects consume, naming the setting', async () => {
  const states: ClientState[] = []
  const consumer = new Consumer({
    bootstrapBrokers: [inject('kafkaBrokers')], groupId: 'g', 'security.protocol': 'ssl', 'ssl.ca.location': '/no/such/file', onState: state => states.push(state)
  })
  await expect(consumer.consume({ topics: ['x'] })).rejects.toMatchObject({ name: 'KafkaError', message: expect.stringMatching(/ssl\.ca\.location/) })
  expect(states).toMatchObject([{ type: 'fatal' }])
})
