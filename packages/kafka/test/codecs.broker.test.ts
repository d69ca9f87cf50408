import rdkafka from 'node-rdkafka'
import { Producer } from '@pair/kafka'
import { expect, inject, onTestFinished, test } from 'vitest'
import { newName, read } from '../../../test/fixtures/records.js'

test.for(['gzip', 'snappy', 'lz4', 'zstd'] as const)('a topic compressed with %s is written and read', async (codec, { skip }) => {
  skip(!rdkafka.features.includes(codec), `librdkafka is compiled without ${codec}`)
  const topic = newName(codec)
  const producer = new Producer({ bootstrapBrokers: inject('kafkaBrokers').split(','), 'compression.type': codec })
  onTestFinished(() => producer.close())
  const value = codec.repeat(1000) // a batch that compression does not shrink is sent uncompressed
  const [place] = await producer.send({ messages: [{ topic, key: 'k', value }] })
  const [record] = await read(topic, 1, { from: [{ partition: Number(place?.partition) }] })
  expect(String(record?.value)).toBe(value)
})
