import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Producer, startBroker } from '@pair/kafka'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { startKafkaProxy } from '../../../test/fixtures/kafka-proxy.js'
import { pauseProcess } from '../../../test/fixtures/pause-process.js'
import { committed, newName } from '../../../test/fixtures/records.js'
import { client } from './client-copy.js'

const deadline = { timeout: 120_000, interval: 20 }

/**
 * Runs a process whose consumer takes 100 messages and commits the first one; on `close` it commits the others, closes the
 * consumer and ends.
 *
 * @param end how the process ends
 */
async function startConsuming (options: { bootstrapBrokers: string[], groupId: string, [option: string]: unknown }, end: string) {
  const topic = newName('closing')
  const producer = new Producer({ bootstrapBrokers: options.bootstrapBrokers })
  await producer.send({ messages: Array.from({ length: 100 }, (_, index) => ({ topic, partition: 0, value: String(index) })) })
  await producer.close()
  const source = `
    import { Consumer } from './dist/index.js'
    const ignore = () => {}
    const consumer = new Consumer({ 'auto.offset.reset': 'earliest', maxWaitTime: 10, logger: { debug: ignore, info: ignore, warn: ignore, error: ignore }, ...${JSON.stringify(options)} })
    const stream = await consumer.consume({ topics: ['${topic}'] })
    const messages = []
    while (messages.length < 100) messages.push((await stream.next()).value)
    await consumer.commit({ offsets: [messages[0]] })
    process.stdin.once('data', async () => {
      await consumer.commit({ offsets: messages })
      await consumer.close()
      console.log('closed')
      ${end}
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { cwd: client, stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  onTestFinished(async () => { child.kill('SIGKILL'); await exited })
  const closed = once(child.stdout, 'data')
  const committedOffset = () => committed(options.groupId, topic, 0, options.bootstrapBrokers[0])
  await vi.waitFor(async () => expect(await committedOffset()).toBe(1), deadline)
  return { committedOffset, closed, exited, close: () => child.stdin.write('close\n') }
}

/** Through a proxy of 80 ms each way, in which is lost what is on its way when the process dies; what is committed goes only when the consumer is closed. */
async function closeAndDie (options: object) {
  const kafka = await startKafkaProxy(inject('kafkaBrokers'), 80)
  const consuming = await startConsuming({ bootstrapBrokers: [kafka.address], groupId: newName('group'), 'auto.commit.interval.ms': 60_000, ...options }, 'process.kill(process.pid, "SIGKILL")')
  kafka.set('slow')
  consuming.close()
  expect(await consuming.exited).toEqual([null, 'SIGKILL'])
  kafka.set('open')
  return { kafka, ...consuming }
}

test('a member that closes has committed and left its group when close resolves, so that the process may die at once', async () => {
  const { kafka, committedOffset } = await closeAndDie({})
  expect(await committedOffset()).toBe(100)
  expect(kafka.departures).toBe(1)
})

test('a static member that closes has committed when close resolves, so that the process may die at once', async () => {
  const { kafka, committedOffset } = await closeAndDie({ 'group.instance.id': 'one' })
  expect(await committedOffset()).toBe(100)
  expect(kafka.departures).toBe(0)
})

test('a process that closes a consumer whose broker does not answer, and then has 3 s of other work, exits when it asks to', async () => {
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  const { close, closed, exited } = await startConsuming({ bootstrapBrokers: [broker.brokers], groupId: newName('group') }, 'setTimeout(() => process.exit(0), 3000)')
  await pauseProcess(broker.pid)
  close()
  await closed
  // Freeing the handle would wait for the broker, for a minute or longer.
  expect(await Promise.race([exited, setTimeout(20_000, 'still running', { ref: false })])).toEqual([0, null])
})
