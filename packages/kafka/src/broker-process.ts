import kafka from 'node-rdkafka'
import { announce } from './announced-process.js'
import type { Announcement } from './broker.js'

// A client with this property runs a cluster inside itself. The mock takes any request up to the client's
// `receive.message.max.bytes`, and keeps at most 5 MB or 100,000 record batches a partition, but always the newest one:
// at the default of 100 MB every record that a producer can be configured to send is taken.
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
