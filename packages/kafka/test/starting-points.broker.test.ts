import rdkafka from 'node-rdkafka'
import { Consumer, Producer, type ClientState, type ConsumerOptions, type Message } from '@pair/kafka'
import { expect, inject, test, vi, type TestContext } from 'vitest'
import { committed, newName } from '../../../test/fixtures/records.js'

// With librdkafka's defaults, without any setting of the user.

const deadline = { timeout: 120_000, interval: 20 }
const subscribe = vi.spyOn(rdkafka.KafkaConsumer.prototype, 'subscribe')
type Finish = Pick<TestContext, 'onTestFinished'>

async function write (topic: string, values: string[], partition = 0) {
  const producer = new Producer({ bootstrapBrokers: [inject('kafkaBrokers')] })
  for (const value of values) await producer.send({ messages: [{ topic, partition, value }] })
  await producer.close()
}

async function start ({ onTestFinished }: Finish, topics: string[], { group = newName('group'), commits = true, options = {} }: { group?: string, commits?: boolean, options?: ConsumerOptions } = {}) {
  const states: ClientState[] = []
  const consumer = new Consumer({
    bootstrapBrokers: [inject('kafkaBrokers')], groupId: group, maxWaitTime: 10, 'session.timeout.ms': 6000, 'heartbeat.interval.ms': 300, 'topic.metadata.refresh.interval.ms': 500, onState: state => states.push(state), ...options
  })
  onTestFinished(() => consumer.close())
  const values: string[] = []
  const read = async () => {
    for await (const message of await consumer.consume({ topics })) {
      values.push(String((message as Message).value))
      if (commits) await consumer.commit({ offsets: [message] })
    }
  }
  const ended = read()
  const subscribed = () => vi.waitFor(() => expect(subscribe).toHaveBeenCalledWith(topics), deadline)
  const isMember = () => vi.waitFor(() => expect(states.some(state => state.type === 'assigned' && state.partitions.length > 0)).toBe(true), deadline)
  return { consumer, values, states, group, ended, isMember, subscribed }
}

test.concurrent('a new group gets no old messages, and all from its subscription on, not only from its assignment on', async context => {
  const topic = newName('latest')
  await write(topic, ['old', 'older'])
  const { values, consumer, group, subscribed } = await start(context, [topic])
  await subscribed()
  await write(topic, ['a', 'b'])
  await vi.waitFor(() => expect(values).toEqual(['a', 'b']), deadline)
  await vi.waitFor(async () => expect(await committed(group, topic)).toBe(4), deadline)
  await consumer.close()

  await write(topic, ['c'])
  const again = await start(context, [topic], { group })
  await vi.waitFor(() => expect(again.values).toEqual(['c']), deadline)
})

test.concurrent('a topic that is missing when a consumer starts is read from its beginning', async context => {
  const topic = newName('missing')
  const { values, subscribed } = await start(context, [topic], { options: { autocreateTopics: false } })
  await subscribed()
  await write(topic, ['a', 'b', 'c'])
  await vi.waitFor(() => expect(values).toEqual(['a', 'b', 'c']), deadline)
})

test.concurrent('a partition that is added is read from its beginning', async context => {
  context.skip(inject('brokerKind') === 'embedded', 'the embedded broker adds none')
  const topic = newName('added')
  await write(topic, ['old'])
  const { values, isMember } = await start(context, [topic], { options: { 'topic.metadata.refresh.interval.ms': 5000 } })
  await isMember()
  const admin = rdkafka.AdminClient.create({ 'metadata.broker.list': inject('kafkaBrokers') })
  context.onTestFinished(() => admin.disconnect())
  await new Promise<void>((resolve, reject) => admin.createPartitions(topic, 8, error => error ? reject(error) : resolve()))
  await vi.waitFor(() => write(topic, ['a', 'b'], 7), deadline)
  await vi.waitFor(() => expect(values).toEqual(['a', 'b']), deadline)
})

test.concurrent('where a group starts is committed, so that the next member misses nothing that the first one never committed', async context => {
  const topic = newName('pinned')
  await write(topic, ['old'])
  const first = await start(context, [topic], { commits: false })
  await first.isMember()
  await vi.waitFor(async () => expect(await committed(first.group, topic)).toBe(1), deadline)
  await write(topic, ['a', 'b'])
  await vi.waitFor(() => expect(first.values).toEqual(['a', 'b']), deadline)
  await first.consumer.close()
  const second = await start(context, [topic], { group: first.group })
  await vi.waitFor(() => expect(second.values).toEqual(['a', 'b']), deadline)
})

test.concurrent('a pattern is subscribed to like a name', async context => {
  const prefix = newName('pattern')
  await write(`${prefix}-one`, ['old'])
  const { values, isMember } = await start(context, [`^${prefix}-.*`])
  await isMember()
  await write(`${prefix}-two`, ['a'])
  await write(`${prefix}-one`, ['b'])
  await vi.waitFor(() => expect(values.sort()).toEqual(['a', 'b']), deadline)
})

test.concurrent('where the user says earliest, a new group starts there', async context => {
  const topic = newName('earliest')
  await write(topic, ['old'])
  const { values } = await start(context, [topic], { options: { fallbackMode: 'earliest' } })
  await vi.waitFor(() => expect(values).toEqual(['old']), deadline)
})

test.concurrent.for(['assign', 'incrementalAssign'] as const)('a rebalance_cb as node-rdkafka documents it decides where to start (%s)', async (verb, context) => {
  const topic = newName('callback')
  await write(topic, ['a', 'b', 'c'])
  const codes: number[] = []
  const { values, consumer } = await start(context, [topic], {
    options: {
      'partition.assignment.strategy': verb === 'assign' ? 'range' : 'cooperative-sticky',
      rebalance_cb (this: rdkafka.KafkaConsumer, error: rdkafka.LibrdKafkaError, assignment: rdkafka.TopicPartition[]) {
        codes.push(error.code)
        if (error.code === rdkafka.CODES.ERRORS.ERR__ASSIGN_PARTITIONS) this[verb](assignment.map(at => ({ ...at, offset: 1 })))
        else if (verb === 'assign') this.unassign()
        else this.incrementalUnassign(assignment)
      }
    }
  })
  await vi.waitFor(() => expect(values).toEqual(['b', 'c']), deadline)
  await consumer.close()
  expect(codes).toEqual([rdkafka.CODES.ERRORS.ERR__ASSIGN_PARTITIONS, rdkafka.CODES.ERRORS.ERR__REVOKE_PARTITIONS])
})

test.concurrent('a rebalance_cb that makes no call, or throws, does not delay the assignment', async context => {
  const topic = newName('onlooker')
  const { values, subscribed } = await start(context, [topic], { options: { rebalance_cb () { throw new Error('mine') } } })
  await subscribed()
  await write(topic, ['a'])
  await vi.waitFor(() => expect(values).toEqual(['a']), deadline)
})

test.concurrent.for(['assign', 'incrementalAssign'] as const)('a rebalance_cb may assign a part, and the consumer still leaves its group (%s)', async (verb, context) => {
  const topic = newName('part')
  const other = newName('other')
  await write(topic, ['a'])
  await write(other, ['b'])
  const options: ConsumerOptions = {
    'auto.offset.reset': 'earliest',
    'partition.assignment.strategy': verb === 'assign' ? 'range' : 'cooperative-sticky',
    rebalance_cb (this: rdkafka.KafkaConsumer, error: rdkafka.LibrdKafkaError, assignment: rdkafka.TopicPartition[]) {
      if (error.code === rdkafka.CODES.ERRORS.ERR__ASSIGN_PARTITIONS) this[verb](assignment.filter(at => at.topic === topic))
    }
  }
  const { values, consumer, group } = await start(context, [topic, other], { options })
  await vi.waitFor(() => expect(values).toEqual(['a']), deadline)
  await consumer.close()
  const next = await start(context, [topic, other], { group, options: { 'auto.offset.reset': 'earliest', 'partition.assignment.strategy': options['partition.assignment.strategy'] } })
  await vi.waitFor(() => expect(next.values).toEqual(['b']), deadline)
})
