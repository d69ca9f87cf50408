import { fileURLToPath } from 'node:url'
import { startBroker } from '@pair/kafka'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { gone, processTree, run } from './running.js'

const standalone = fileURLToPath(new URL('../dist/broker.js', import.meta.url))

test('a standalone broker prints what to export, listens there, and ends with exit code 0 on SIGTERM', async () => {
  const broker = run([standalone])
  const port = await broker.said(/KAFKA_BROKERS=127\.0\.0\.1:(\d+)/)
  await new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => resolve(socket.destroy()))
    socket.once('error', reject)
  })
  const tree = processTree(broker.pid)
  broker.kill('SIGTERM')
  expect(await broker.ended).toBe(0)
  await gone(tree)
})

test('the broker ends with its launcher when that is killed with -9', async () => {
  const broker = run([standalone])
  await broker.said(/KAFKA_BROKERS/)
  const tree = processTree(broker.pid)
  expect(tree.length).toBe(2)
  broker.kill('SIGKILL')
  await gone(tree)
})

test('a broker that is ended by somebody else ends its launcher with exit code 1 and its name', async () => {
  const broker = run([standalone])
  await broker.said(/KAFKA_BROKERS/)
  process.kill(processTree(broker.pid)[1] ?? 0, 'SIGKILL')
  expect(await broker.ended).toBe(1)
  expect(broker.output()).toContain('the embedded broker exited unexpectedly (SIGKILL)')
})

test('a broker that is stopped (SIGSTOP) can be closed', async () => {
  const broker = await startBroker()
  process.kill(broker.pid, 'SIGSTOP')
  await broker.close()
  expect(await broker.ended).toBe('SIGKILL')
})
