import { Admin, type KafkaError } from '@pair/kafka'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { newName } from '../../../test/fixtures/records.js'

function newAdmin (bootstrapBrokers = [inject('kafkaBrokers')]) {
  const admin = new Admin({ bootstrapBrokers })
  onTestFinished(() => admin.close())
  return admin
}

test('topics are created, listed, described and deleted', async ({ skip }) => {
  skip(inject('brokerKind') === 'embedded', 'the embedded broker creates no topics on demand')
  const admin = newAdmin()
  const topics = [newName('one'), newName('two')]
  await admin.createTopics({ topics, partitions: 3, configs: [{ name: 'retention.ms', value: '60000' }] })
  await vi.waitFor(async () => expect(await admin.listTopics()).toEqual(expect.arrayContaining(topics)), 20_000)
  const { brokers, topics: found } = await admin.metadata({ topics })
  expect([...found].map(([name, { partitionsCount }]) => [name, partitionsCount])).toEqual(expect.arrayContaining(topics.map(name => [name, 3])))
  expect([...brokers.values()].map(({ host, port }) => `${host}:${port}`)).toEqual([inject('kafkaBrokers')])
  await expect(admin.createTopics({ topics })).rejects.toMatchObject({ name: 'KafkaError', codeName: 'ERR_TOPIC_ALREADY_EXISTS', message: expect.stringContaining('already exists') })
  await admin.deleteTopics({ topics })
  await vi.waitFor(async () => expect(await admin.listTopics()).not.toContain(topics[0]), 20_000)
  await expect(admin.deleteTopics({ topics })).rejects.toMatchObject({ codeName: 'ERR_UNKNOWN_TOPIC_OR_PART' })
})

test('Kafka\'s own topics are listed only where they are asked for', async ({ skip }) => {
  skip(inject('brokerKind') === 'embedded', 'the embedded broker has none')
  const all = await newAdmin().listTopics({ includeInternals: true })
  const listed = await newAdmin().listTopics()
  expect(all.filter(name => !listed.includes(name)).every(name => name.startsWith('__'))).toBe(true)
  expect(listed.filter(name => name.startsWith('__'))).toEqual([])
})

test('without a broker a call rejects', async () => {
  const admin = newAdmin(['127.0.0.1:1'])
  const failure = await admin.listTopics().catch((error: KafkaError) => error)
  expect(failure).toMatchObject({ name: 'KafkaError', codeName: expect.stringMatching(/ERR__(TRANSPORT|TIMED_OUT)/) })
})
