import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { readArguments } from '../dist/arguments.js'
import { clientOptions, nameOnBroker } from '../dist/source.js'

test('KAFKA_PREFIX stands before the topic, and one that can be in no name is refused', () => {
  expect(nameOnBroker({}, 'orders')).toBe('orders')
  expect(nameOnBroker({ KAFKA_PREFIX: 'staging.' }, 'orders')).toBe('staging.orders')
  for (const KAFKA_PREFIX of ['a/b', 'ü', ' ', 'x'.repeat(101)]) expect(() => nameOnBroker({ KAFKA_PREFIX }, 'orders')).toThrow(/^KAFKA_PREFIX must be /)
})

test('list, show and replay are understood, user_register is meant unless told otherwise', () => {
  expect(readArguments(['list'])).toEqual({ command: 'list', topic: 'user_register', json: false })
  expect(readArguments(['show', '3:17', '--json', '--topic', 'orders'])).toEqual({ command: 'show', topic: 'orders', json: true, letter: { partition: 3, offset: 17 } })
  expect(readArguments(['replay', '--all', '--dry-run'])).toMatchObject({ command: 'replay', letters: 'all', dryRun: true })
})

test('--group is understood by list and replay', () => {
  expect(readArguments(['list', '--group', 'mailer'])).toMatchObject({ group: 'mailer' })
  expect(readArguments(['replay', '--all', '--group', 'mailer'])).toMatchObject({ letters: 'all', group: 'mailer' })
})

test('a letter that is named twice is replayed once', () => {
  expect(readArguments(['replay', '0:1', '1:0', '0:1'])).toMatchObject({ letters: [{ partition: 0, offset: 1 }, { partition: 1, offset: 0 }], dryRun: false })
})

test('help is wanted, whatever else is', () => {
  for (const args of [['--help'], ['-h'], ['replay', '--help']]) expect(readArguments(args)).toBeUndefined()
})

describe('what is not understood ends with exit code 2 and a line that says why', () => {
  test.each([
    [[], 'which of list, show and replay?'],
    [['lst'], '"lst" is none of list, show and replay'],
    [['list', '0:1'], 'list takes no letters, and so not "0:1"'],
    [['list', '--all'], '--all is for replay only'],
    [['show', '0:1', '--dry-run'], '--dry-run is for replay only'],
    [['show', '0:1', '--group', 'mailer'], '--group is for list and replay only'],
    [['show'], 'show takes one <partition>:<offset>'],
    [['show', '0:1', '0:2'], 'show takes one <partition>:<offset>'],
    [['show', '0'], '"0" is not <partition>:<offset>, such as 0:17'],
    [['show', '0:-1'], '"0:-1" is not'],
    [['show', '0:1x'], '"0:1x" is not'],
    [['show', '0:99999999999999999999'], 'is not <partition>:<offset>'],
    [['replay'], 'replay takes either --all or one <partition>:<offset> and more'],
    [['replay', '--all', '0:1'], 'replay takes either --all or'],
    [['list', '--fast'], 'Unknown option \'--fast\''],
    [['list', '--topic'], '--topic'],
    [['list', '--topic', 'a b'], '--topic must be the name of a topic'],
    [['list', '--topic', 'user_register.dlq'], '--topic names the topic that the letters came from: user_register']
  ])('%j', (args, text) => {
    expect(() => readArguments(args)).toThrow(expect.objectContaining({ exitCode: 2, message: expect.stringContaining(text) }))
  })
})

test.each([undefined, '', 'kafka', 'kafka:', 'a:1;b:2', 'a:1,', 'http://a:1'])('KAFKA_BROKERS=%s ends with exit code 2 and its name', brokers => {
  expect(() => clientOptions({ KAFKA_BROKERS: brokers })).toThrow(expect.objectContaining({ exitCode: 2, message: expect.stringContaining('KAFKA_BROKERS must be host:port,host:port') }))
})

test.each(['kafka:9092', 'a:1,b:2', '[::1]:9092'])('KAFKA_BROKERS=%s is taken', brokers => {
  expect(clientOptions({ KAFKA_BROKERS: brokers })).toMatchObject({ 'metadata.broker.list': brokers })
})

test.skipIf(process.platform !== 'linux')('output that cannot be written is said, and is a failure', () => {
  const script = fileURLToPath(new URL('../dist/dlq.js', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [script, '--help'], { stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'], encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/^The output cannot be written: ENOSPC/) })
})
