import { Producer, provisionTopics, TopicReader } from '@pair/kafka'
import { readableForMs } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { expect, inject, onTestFinished, test } from 'vitest'
import { noRealKafka } from './fixtures/real-kafka.js'
import { newName } from './fixtures/records.js'
import { eventually } from './fixtures/services.js'

const dayMs = 24 * 60 * 60 * 1000
const slowMs = 10_000

test.skipIf(noRealKafka)('a record is readable for longer than the retention, and for no longer than what marks are kept by', async () => {
  const options = { 'metadata.broker.list': inject('kafkaBrokers') }
  const topic = { ...userRegister, name: newName('retention'), partitions: 1, config: { ...userRegister.config, 'retention.ms': '1000', 'segment.ms': '3000' } }
  await provisionTopics(options, [topic])
  const producer = new Producer(options)
  const reader = new TopicReader(options)
  onTestFinished(async () => { await Promise.all([producer.close(), reader.close()]) })

  const sinceMs = performance.now()
  let readableMs = 0
  // A topic that is written to: its segment stays young.
  await eventually(async () => {
    await producer.send({ messages: [{ topic: topic.name, value: 'event' }] })
    const { low } = await reader.bounds(topic.name, 0)
    if (low === 0) readableMs = performance.now() - sinceMs
    expect(low).toBeGreaterThan(0)
  }, readableForMs(topic) - dayMs + slowMs)
  expect(readableMs).toBeGreaterThan(2 * Number(topic.config['retention.ms']))
})
