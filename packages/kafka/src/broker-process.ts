import kafka from 'node-rdkafka'
import { announce } from './announced-process.js'
import type { Announcement } from './broker.js'

// A client with `test.mock.num.brokers` runs a mock cluster. It accepts requests up to the client's `receive.message.max.bytes`
// (100 MB: more than any producer sends), and keeps at most 5 MB or 100,000 record batches for each partition, but always the newest one.
const cluster = new kafka.Producer({
  'client.id': 'embedded-broker',
  'test.mock.num.brokers': 1,
  'receive.message.max.bytes': 100_000_000
} as kafka.ProducerGlobalConfig)

announce(() => new Promise<Announcement>((resolve, reject) => {
  cluster.connect({}, (error, metadata) => {
    const broker = metadata?.brokers[0]
    if (broker) resolve({ brokers: `${broker.host}:${broker.port}` })
    else reject(new Error(`the embedded broker did not start: ${error?.message ?? 'no broker in the metadata'}`))
  })
}))
