import kafka from 'node-rdkafka'
import type { Announcement } from './broker.js'

// The channel to the process that forked this one closes when that process ends, kill -9 included. It may be closed
// already when this line runs.
process.on('disconnect', () => process.exit(0))
if (!process.connected) process.exit(0)

// The one who started it decides when it ends.
process.on('SIGINT', () => {})

const announce = (message: Announcement) => process.send?.(message)

// A client with this property runs a cluster inside itself. The mock takes any request up to the client's
// `receive.message.max.bytes`, and keeps at most 5 MB or 100,000 record batches a partition, but always the newest one:
// at the default of 100 MB every record that a producer can be configured to send is taken.
const cluster = new kafka.Producer({
  'client.id': 'embedded-broker',
  'test.mock.num.brokers': 1,
  'receive.message.max.bytes': 100_000_000
} as kafka.ProducerGlobalConfig)

cluster.connect({}, (error, metadata) => {
  const broker = metadata?.brokers[0]
  if (broker) announce({ brokers: `${broker.host}:${broker.port}` })
  else announce({ error: error?.message ?? 'no broker in the metadata' })
})
