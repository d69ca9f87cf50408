import { execFile } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import rdkafka from 'node-rdkafka'
import { expect, test } from 'vitest'
import { connectAttachable } from '../dist/handle.js'
import { attachable } from '../dist/native.js'
import { copyClient } from './client-copy.js'

test('a handle has a name of its own, and plugins of the user come after ours', () => {
  const one = attachable({ 'plugin.library.paths': '/a.so;/b.so', 'client.id': 'me' })
  const other = attachable({ 'client.id': 'me' })
  expect(one.name).not.toBe(other.name)
  expect(Object.entries(one.properties)).toEqual([['plugin.library.paths', expect.stringMatching(/native\.node;\/a\.so;\/b\.so$/)], ['native.handle.name', one.name], ['client.id', 'me']])
  expect(other.properties['plugin.library.paths']).toMatch(/native\.node$/)
})

test.each([
  ['a plugin of the user that is missing', { 'plugin.library.paths': '/no/such/plugin' }, /plugin/],
  ['an unknown property', { 'no.such.thing': 1 }, /no\.such\.thing/]
])('%s is refused as it was without ours', (_what, global, text) => {
  expect(() => new rdkafka.Producer(attachable(global).properties, {})).toThrow(text)
})

// Each of them crashes the process where the twin is left out.
test.each([
  ['an authority that is missing', rdkafka.Producer, { 'security.protocol': 'ssl', 'ssl.ca.location': '/no/such/file' }, /ssl\.ca\.location/],
  ['a mechanism that is not known', rdkafka.Producer, { 'security.protocol': 'sasl_plaintext', 'sasl.mechanism': 'NOPE' }, /NOPE/],
  ['an assignor that is not known', rdkafka.KafkaConsumer, { 'partition.assignment.strategy': 'nope' }, /nope/]
] as const)('%s is an error of connecting', async (_what, Kind, global, text) => {
  const newHandle = (properties: object) => new Kind({ 'group.id': 'g', ...properties }, {})
  const { properties } = attachable({ 'metadata.broker.list': '127.0.0.1:1', ...global })
  await expect(connectAttachable(newHandle(properties), global, newHandle)).rejects.toMatchObject({ name: 'KafkaError', message: expect.stringMatching(text) })
})

test.each([
  ['missing', (file: string) => rmSync(file)],
  ['broken', (file: string) => writeFileSync(file, 'no shared object')]
])('an addon that is %s is one line that says what to do', async (_what, spoil) => {
  const copy = copyClient()
  spoil(`${copy}/dist/native.node`)
  const source = 'import { Producer } from "./dist/index.js"; try { new Producer({ bootstrapBrokers: ["127.0.0.1:1"] }) } catch (error) { console.log(error.name, error.message) }'
  const said = await new Promise<string>(resolve => execFile(process.execPath, ['--input-type=module', '-e', source], { cwd: copy }, (_error, stdout, stderr) => resolve(stdout + stderr)))
  expect(said).toMatch(/^KafkaError The native addon of the Kafka client cannot be loaded, compile it with "node \S+\/native\/compile\.js", which package managers do on installing unless scripts are blocked: .+\n$/)
})
