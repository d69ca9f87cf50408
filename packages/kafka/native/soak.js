import rdkafka from 'node-rdkafka'
import { connectAttachable } from '../dist/handle.js'
import { Producer, provisionTopics, startBroker } from '../dist/index.js'
import { attachable, NativeHandle } from '../dist/native.js'

// node native/soak.js [messages, 20000000] [rounds, 1000]: sends and reads this many messages concurrently on KAFKA_BROKERS or the
// embedded broker, then opens and closes twenty handles this many times. Fails where memory grows.

const [messages = 20_000_000, rounds = 1000] = process.argv.slice(2).map(Number)
const embedded = process.env.KAFKA_BROKERS ? undefined : await startBroker()
const brokers = process.env.KAFKA_BROKERS ?? embedded.brokers
const topic = `soak-${Date.now()}`
await provisionTopics({ bootstrapBrokers: brokers }, [{ name: topic, partitions: 4 }])
const megabytes = () => process.memoryUsage().rss / 2 ** 20

async function openHandle (Kind, global) {
  const newHandle = properties => new Kind({ ...properties }, {})
  const { name, properties } = attachable({ 'metadata.broker.list': brokers, ...global })
  const handle = newHandle(properties)
  await connectAttachable(handle, global, newHandle)
  return { name, handle }
}

/** Fails where the end of a series is more than 10 % and 20 MB above its beginning. */
function judge (what, series) {
  const tenth = Math.ceil(series.length / 10)
  const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length
  // Compares the second tenth with the last: in the first one memory settles.
  const [first, last] = [mean(series.slice(tenth, 2 * tenth)), mean(series.slice(-tenth))]
  console.log(`${what}: ${first.toFixed(1)} MB in the second tenth, ${last.toFixed(1)} MB in the last`)
  if (last > first * 1.1 + 20) process.exitCode = 1
}

async function reader () {
  const { name, handle } = await openHandle(rdkafka.KafkaConsumer, { 'group.id': topic, 'fetch.wait.max.ms': 10 })
  const state = { read: 0, end: async () => { native.detach(); await new Promise(resolve => handle.disconnect(resolve)) } }
  const read = () => {
    if (!native.isAttached) return
    const batch = native.read(500, 4_000_000)
    for (const { headers } of batch.messages) state.read += headers.length
    if (!batch.isEmptied) setImmediate(read)
  }
  const native = new NativeHandle(name, handle, read)
  read()
  handle.assign([0, 1, 2, 3].map(partition => ({ topic, partition, offset: 0 })))
  return state
}

const producer = new Producer({ bootstrapBrokers: [brokers], headers: [{ 'content-type': 'text/plain' }] })
await Promise.all([0, 1, 2, 3].map(partition => producer.send({ messages: [{ topic, partition, value: 'x' }] })))
const reading = await reader()
const series = []
let sent = 4
const lane = async () => {
  for (; sent < messages;) {
    sent++
    await producer.send({ messages: [{ topic, partition: sent % 4, key: `key-${sent % 100}`, value: 'x'.repeat(100 + sent % 100) }] })
    // The embedded broker removes old records, and a reader would wait for them without end.
    while (sent - reading.read > 50_000) await new Promise(resolve => setImmediate(resolve))
    if (sent % Math.ceil(messages / 100) === 0) series.push(megabytes())
  }
}
const started = performance.now()
await Promise.all(Array.from({ length: 1000 }, lane))
while (reading.read < sent) await new Promise(resolve => setImmediate(resolve))
console.log(`${sent} messages each way, ${Math.round(sent / (performance.now() - started) * 1000)} a second`)
judge('messages', series)
await reading.end()
await producer.close()

const opened = []
for (let round = 0; round < rounds; round++) {
  const handles = await Promise.all(Array.from({ length: 20 }, (_, index) => index % 2 === 0 ? openHandle(rdkafka.Producer, {}) : openHandle(rdkafka.KafkaConsumer, { 'group.id': topic })))
  for (const { name, handle } of handles) new NativeHandle(name, handle, () => {}).detach()
  await Promise.all(handles.map(({ handle }) => new Promise(resolve => handle.disconnect(resolve))))
  if (round % Math.ceil(rounds / 100) === 0) opened.push(megabytes())
}
judge(`${rounds} times twenty handles`, opened)
await embedded?.close()
