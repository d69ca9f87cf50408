import rdkafka from 'node-rdkafka'
import { provisionTopics } from '@pair/kafka'
import { userRegister } from '@pair/shared-topics'
import { expect, inject, test } from 'vitest'
import { newName, read } from './fixtures/records.js'

const hourMs = 60 * 60 * 1000

test.for([2, -10 * 24])('an event of a service whose clock is wrong by %i hours is taken, and kept for as long as any other', async (hours, { skip, onTestFinished }) => {
  skip(inject('brokerKind') === 'embedded', 'the embedded broker removes nothing by its age')
  const brokers = inject('kafkaBrokers')
  const topic = newName('clock')
  await provisionTopics({ 'metadata.broker.list': brokers }, [{ name: topic, partitions: 1, config: userRegister.config }])
  const producer = new rdkafka.Producer({ 'metadata.broker.list': brokers, dr_cb: true })
  await new Promise<void>((resolve, reject) => producer.connect({}, error => error ? reject(error) : resolve()))
  onTestFinished(async () => { await new Promise(resolve => producer.disconnect(resolve)) })
  producer.setPollInterval(10)
  const acknowledged = new Promise<void>((resolve, reject) => producer.on('delivery-report', error => error ? reject(error) : resolve()))
  const now = Date.now()
  producer.produce(topic, 0, Buffer.from('event'), null, now + hours * hourMs)
  await acknowledged
  const [record] = await read(topic, 1)
  // Retention counts from here.
  expect(Math.abs(Number(record?.timestamp) - now)).toBeLessThan(hourMs / 2)
})
