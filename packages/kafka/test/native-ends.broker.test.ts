import { execFile } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { expect, inject, test } from 'vitest'
import { newName } from '../../../test/fixtures/records.js'
import { NativeHandle } from '../dist/native.js'
import { client, copyClient } from './client-copy.js'
import { newReader, newSender, pack } from './native-handles.js'

/** Runs a module in a process of its own; its exit code or signal, and what it said. */
function runNode (source: string, flags: string[] = []) {
  return new Promise<{ code: unknown, said: string }>(resolve => {
    execFile(process.execPath, [...flags, '--input-type=module', '-e', source], { cwd: client, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code ?? error.signal, said: stdout + stderr })
    })
  })
}

test('a handle ends while acknowledgements arrive, again and again', async () => {
  const topic = newName('ending')
  for (let round = 0; round < 30; round++) {
    const { native, acks, end } = await newSender()
    native.send(pack(native, Array.from({ length: 500 }, (_, index) => ({ topic, partition: 0, value: String(index) }))))
    if (round % 3 > 0) await acks(round % 3 === 1 ? 1 : 250)
    await end()
  }
})

test('a wake-up that is queued when its handle ends calls no listener, and uses no freed memory', async () => {
  const topic = newName('woken')
  for (let round = 0; round < 20; round++) {
    const { native, end, acknowledged } = await newSender()
    native.send(pack(native, [{ topic, partition: 0, value: 'x' }]))
    while (native.acknowledgements().length === 0); // without a turn of the loop: the wake-up is queued
    native.send(pack(native, [{ topic, partition: 0, value: 'x' }]))
    native.detach()
    expect(() => native.acknowledgements()).toThrow('the handle is not attached')
    await end()
    await new Promise(resolve => setImmediate(resolve))
    expect(acknowledged).toEqual([])
  }
})

test('an error that a listener throws is an uncaught exception, and later wake-ups still come', async () => {
  const topic = newName('throwing')
  const { code, said } = await runNode(`
    import { Producer } from './dist/index.js'
    const uncaught = []
    process.on('uncaughtException', error => uncaught.push(error.message))
    let isFirst = true
    const producer = new Producer({ bootstrapBrokers: [${JSON.stringify(inject('kafkaBrokers'))}], 'message.timeout.ms': 10000 })
    const message = { topic: ${JSON.stringify(topic)}, value: 'x', get partition () { return 0 } }
    const sent = []
    for (let count = 0; count < 5; count++) sent.push(producer.send({ messages: [{ ...message, get topic () { if (isFirst && new Error().stack.includes('settle')) { isFirst = false; throw new Error('thrown') } return message.topic } }] }))
    const results = await Promise.race([Promise.allSettled(sent.slice(1)), new Promise(resolve => setTimeout(resolve, 20000))])
    console.log(JSON.stringify([uncaught, results?.map(({ status }) => status), (await producer.send({ messages: [message] })).length]))
    process.exit(0)
  `)
  expect(said).toContain('[["thrown"],["fulfilled","fulfilled","fulfilled","fulfilled"],1]')
  expect(code).toBe(0)
})

test('a process can exit at any time, with messages in flight and handles open', async () => {
  const topic = newName('exit')
  const source = (when: string) => `
    import { Producer } from './dist/index.js'
    const producers = Array.from({ length: 3 }, () => new Producer({ bootstrapBrokers: [${JSON.stringify(inject('kafkaBrokers'))}] }))
    const send = () => { for (const producer of producers) for (let count = 0; count < 500; count++) producer.send({ messages: [{ topic: ${JSON.stringify(topic)}, value: 'x' }] }).catch(() => {}) }
    send()
    ${when}
  `
  const ends = {
    'at once': 'process.exit(7)',
    'in the next turn': 'setImmediate(() => process.exit(7))',
    'at the first acknowledgement': 'producers[0].send({ messages: [{ topic: "t", value: "x" }] }).then(() => { send(); process.exit(7) })',
    'in the middle': 'setInterval(send, 0); setTimeout(() => process.exit(7), 300)',
    'while closing': 'setTimeout(() => { for (const producer of producers) producer.close(); setImmediate(() => process.exit(7)) }, 200)'
  }
  for (const [when, end] of Object.entries(ends)) for (let round = 0; round < 3; round++) expect({ when, ...await runNode(source(end)) }).toEqual({ when, code: 7, said: '' })
})

test('a process ends by itself when its producers are closed, and waits for what it awaits', async () => {
  const { code, said } = await runNode(`
    import { Producer } from './dist/index.js'
    const producer = new Producer({ bootstrapBrokers: [${JSON.stringify(inject('kafkaBrokers'))}] })
    console.log((await producer.send({ messages: [{ topic: ${JSON.stringify(newName('alone'))}, value: 'x' }] })).length)
    await producer.close()
  `)
  expect({ code, said }).toEqual({ code: 0, said: '1\n' })
})

test.each<[string, string]>([
  ['that made clients, and used none of them', `
    import { Consumer, Producer } from './dist/index.js'
    new Producer({ bootstrapBrokers })
    new Consumer({ bootstrapBrokers, groupId: 'unused' })`],
  ['whose plugin was never used', `
    import kafka from '@fastify/kafka'
    import Fastify from 'fastify'
    const app = Fastify()
    await app.register(kafka, { producer: { bootstrapBrokers }, consumer: { bootstrapBrokers, groupId: 'unused' } })
    await app.ready()`],
  ['that closes what it never used', `
    import { Consumer, Producer } from './dist/index.js'
    await Promise.all([new Producer({ bootstrapBrokers }).close(), new Consumer({ bootstrapBrokers, groupId: 'unused' }).close()])`],
  ['that consumes when it is closed already', `
    import { Consumer } from './dist/index.js'
    const consumer = new Consumer({ bootstrapBrokers, groupId: 'late' })
    await consumer.close()
    for await (const message of await consumer.consume({ topics: ['t'] })) console.log(message)`],
  ...['latest', 'earliest'].map(reset => [`that closes a consumer (${reset}) whose broker was never there`, `
    import { Consumer } from './dist/index.js'
    const nothing = () => {}
    const consumer = new Consumer({ 'metadata.broker.list': '127.0.0.1:1', groupId: 'away', 'auto.offset.reset': '${reset}', logger: { debug: nothing, info: nothing, warn: nothing, error: nothing } })
    await consumer.consume({ topics: ['t'] })
    await new Promise(resolve => setTimeout(resolve, 500))
    await consumer.close()`] satisfies [string, string]),
  ['that asks an Admin', `
    import { Admin } from './dist/index.js'
    await new Admin({ bootstrapBrokers }).listTopics()`]
])('a process %s ends by itself', async (_which, source) => {
  const { code, said } = await runNode(source.replaceAll('bootstrapBrokers', `bootstrapBrokers: [${JSON.stringify(inject('kafkaBrokers'))}]`))
  expect({ code, said }).toEqual({ code: 0, said: '' })
})

test('an attached handle is not garbage-collected', async () => {
  const { code, said } = await runNode(`
    import rdkafka from 'node-rdkafka'
    import { attachable, NativeHandle } from './dist/native.js'
    import { connectAttachable } from './dist/handle.js'
    import { PackedRecords } from './dist/packed-records.js'
    const { name, properties } = attachable({ 'metadata.broker.list': ${JSON.stringify(inject('kafkaBrokers'))} })
    let [acks, native] = [0]
    const onWake = () => { acks += native.acknowledgements().length / 4 }
    const newHandle = properties => new rdkafka.Producer(properties)
    // Nothing of JavaScript's keeps the handle.
    const open = async handle => { await connectAttachable(handle, {}, newHandle); native = new NativeHandle(name, handle, onWake) }
    await open(newHandle(properties))
    await new Promise(resolve => setImmediate(resolve))
    const records = new PackedRecords()
    for (let round = 1; round <= 20; round++) {
      gc()
      records.clear()
      records.add(native.topic(${JSON.stringify(newName('kept'))}), round, { value: 'x' })
      native.send(records)
      while (acks < round) await new Promise(resolve => setImmediate(resolve))
    }
    console.log('acknowledged', acks)
    process.exit(0)
  `, ['--expose-gc'])
  expect({ code, said }).toEqual({ code: 0, said: 'acknowledged 20\n' })
})

test('twenty handles of both kinds, opened and closed together ten times', async () => {
  for (let round = 0; round < 10; round++) {
    const handles = await Promise.all(Array.from({ length: 20 }, (_, index) => index % 2 === 0 ? newSender() : newReader()))
    await Promise.all(handles.map(({ end }) => end()))
  }
})

test('a handle is attached once, and by its name alone', async () => {
  const { handle } = await newSender()
  expect(() => new NativeHandle('no such name', handle, () => {})).toThrow('no handle of this name is open')
})

test('two copies of the package work side by side in one process', async () => {
  const copy = copyClient()
  const { code, said } = await runNode(`
    const topic = ${JSON.stringify(newName('copies'))}
    const copies = await Promise.all(['./dist/index.js', ${JSON.stringify(pathToFileURL(`${copy}/dist/index.js`).href)}].map(path => import(path)))
    const producers = copies.flatMap(({ Producer }) => [0, 1].map(() => new Producer({ bootstrapBrokers: [${JSON.stringify(inject('kafkaBrokers'))}] })))
    const sent = await Promise.all(producers.flatMap(producer => Array.from({ length: 200 }, () => producer.send({ messages: [{ topic, partition: 0, value: 'x' }] }))))
    console.log(new Set(sent.flat().map(({ offset }) => offset)).size, copies[0].Producer === copies[1].Producer)
    await Promise.all(producers.map(producer => producer.close()))
  `)
  expect({ code, said }).toEqual({ code: 0, said: '800 false\n' })
})

test('a worker thread gets an error of one line', async () => {
  const { code, said } = await runNode(`
    import { Worker } from 'node:worker_threads'
    import './dist/index.js'
    const worker = new Worker('import("./dist/index.js").catch(error => console.log(error.message))', { eval: true })
    await new Promise(resolve => worker.once('exit', resolve))
  `)
  expect({ code, said }).toEqual({ code: 0, said: '@pair/kafka works on the main thread only, because node-rdkafka does: load it there, and not in a worker thread\n' })
})

test.each([
  ['that has closed its consumer and its readers ends, though messages still came', 'await Promise.all([consumer.close(), reader.close(), live.close()])'],
  ['that ends in the middle of reading does so at once', 'process.exit(0)'],
  ['that ends while a thread frees what it has read with does so at once', `
    const prototype = Object.getPrototypeOf(rdkafka.KafkaConsumer.prototype)
    const { disconnect } = prototype
    let freed = 0
    prototype.disconnect = function (...args) {
      disconnect.apply(this, args)
      if (++freed === 3) process.exit(0)
      return this
    }
    await Promise.all([consumer.close(), reader.close(), live.close()])
    setTimeout(() => { throw new Error('not freed') }, 20000)
    await new Promise(() => {})
  `]
])('a process %s', async (_how, end) => {
  const { code, said } = await runNode(`
    import rdkafka from 'node-rdkafka'
    import { Consumer, LiveReader, Producer, TopicReader } from './dist/index.js'
    const bootstrapBrokers = [${JSON.stringify(inject('kafkaBrokers'))}]
    const topic = ${JSON.stringify(newName('exit'))}
    const producer = new Producer({ bootstrapBrokers })
    const write = () => producer.send({ messages: Array.from({ length: 1000 }, (_, index) => ({ topic, partition: 0, value: String(index) })) })
    await write()
    const live = new LiveReader({ bootstrapBrokers }, topic, () => {})
    await live.ready
    const reader = new TopicReader({ bootstrapBrokers })
    for await (const { offset } of reader.read(topic)) if (offset === 500) break
    const consumer = new Consumer({ bootstrapBrokers, groupId: topic, maxWaitTime: 10, 'auto.offset.reset': 'earliest' })
    const stream = await consumer.consume({ topics: [topic] })
    let count = 0
    for await (const message of stream) {
      await consumer.commit({ offsets: [message] })
      if (++count === 10) write()
      if (count === 500) break
    }
    console.log('read')
    ${end}
    await producer.close()
  `)
  expect({ code, said }).toEqual({ code: 0, said: 'read\n' })
})
