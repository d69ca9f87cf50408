import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { readArguments } from '../dist/arguments.js'
import { clientOptions, nameOnBroker } from '../dist/source.js'
import { readTime } from '../dist/time.js'

test('KAFKA_PREFIX stands before the topic, and one that can be in no name is refused', () => {
  expect(nameOnBroker({}, 'orders')).toBe('orders')
  expect(nameOnBroker({ KAFKA_PREFIX: 'staging.' }, 'orders')).toBe('staging.orders')
  for (const KAFKA_PREFIX of ['a/b', 'ü', ' ', 'x'.repeat(101)]) expect(() => nameOnBroker({ KAFKA_PREFIX }, 'orders')).toThrow(/^KAFKA_PREFIX must be /)
})

const now = Date.parse('2026-11-21T12:00Z')
const understood = (...args: string[]) => readArguments(args, now, () => 'anna')
const nothing = { reason: undefined, group: undefined, key: undefined, error: undefined, state: undefined, since: undefined, until: undefined }
const common = { topic: undefined, allTopics: false, letters: 'all', filter: nothing, json: false }

test('list, show, replay and discard are understood', () => {
  expect(understood('list')).toEqual({ ...common, command: 'list' })
  expect(understood('show', '3:17', '--json', '--topic', 'orders')).toEqual({ ...common, command: 'show', topic: 'orders', json: true, letters: [{ topic: 'orders', partition: 3, offset: 17 }] })
  expect(understood('replay', '--all', '--all-topics', '--dry-run')).toEqual({ ...common, command: 'replay', allTopics: true, dryRun: true })
  expect(understood('discard', 'orders:0:1', '0:2', '--why', 'a test')).toEqual({
    ...common, command: 'discard', letters: [{ topic: 'orders', partition: 0, offset: 1 }, { partition: 0, offset: 2 }], dryRun: false, by: 'anna', why: 'a test'
  })
  expect(understood('discard', '--all', '--why', 'a test', '--by', 'on-call')).toMatchObject({ by: 'on-call' })
})

test.each([['list'], ['show', '--all'], ['replay', '--all'], ['discard', '--all', '--why', 'a test']])('every filter is understood by %s, and several values of one', (...command) => {
  expect(understood(...command, '--reason', 'failed', '--reason', 'crashed', '--group', 'mailer', '--key', '', '--error', 'no', '--state', 'discarded', '--since', '2h', '--until', '2026-11-21T11:00Z')).toMatchObject({
    filter: { reason: ['failed', 'crashed'], group: ['mailer'], key: [''], error: ['no'], state: ['discarded'], since: now - 7_200_000, until: now - 3_600_000 }
  })
})

test('help is wanted, whatever else is', () => {
  for (const args of [['--help'], ['-h'], ['replay', '--help']]) expect(readArguments(args)).toBeUndefined()
})

describe('what is not understood ends with exit code 2 and a line that says why', () => {
  test.each([
    [[], 'which of list, show, replay and discard?'],
    [['lst'], '"lst" is none of list, show, replay and discard'],
    [['list', '0:1'], 'list takes no letters, and so not "0:1"'],
    [['list', '--all'], '--all is for show, replay and discard only'],
    [['show', '0:1', '--dry-run'], '--dry-run is for replay and discard only'],
    [['replay', '0:1', '--why', 'a test'], '--why is for discard only'],
    [['replay', '0:1', '--by', 'anna'], '--by is for discard only'],
    [['show'], 'show takes either --all or one <topic>:<partition>:<offset> and more'],
    [['show', '0'], '"0" is not <topic>:<partition>:<offset>, such as orders:0:17'],
    [['show', '0:-1'], '"0:-1" is not'],
    [['show', '0:1x'], '"0:1x" is not'],
    [['show', 'a:b:0:1'], '"a:b:0:1" is not'],
    [['show', ':0:1'], '"" must be the name of a topic'],
    [['show', '0:99999999999999999999'], 'is not <topic>:<partition>:<offset>'],
    [['show', 'orders:0:1', '--topic', 'users'], '"orders:0:1" is not a letter of --topic users'],
    [['show', 'orders.dlq:0:1'], 'not its dead-letter topic: orders'],
    [['replay'], 'replay takes either --all or one'],
    [['replay', '--all', '0:1'], 'replay takes either --all or'],
    [['replay', '--all', '--state', 'foreign'], 'what is foreign is never replayed'],
    [['replay', '--all', '--all-topics', '--topic', 'orders'], '--all-topics says what --topic says too'],
    [['replay', 'orders:0:1', '--all-topics'], '--all-topics says what the names of letters say too'],
    [['discard', '--why', 'a test'], 'discard takes either --all or one'],
    [['discard', '0:1'], 'discard needs --why <text>'],
    [['discard', '0:1', '--why', ' '], '--why must not be empty'],
    [['discard', '0:1', '--why', 'x'.repeat(1001)], '--why must have at most 1000 characters'],
    [['discard', '0:1', '--why', 'one', '--why', 'two'], '--why is given more than once'],
    [['discard', '0:1', '--why', 'a test', '--by', ''], '--by must not be empty'],
    [['discard', '0:1', '--why', 'a test', '--by', 'x'.repeat(201)], '--by must have at most 200 characters'],
    [['list', '--reason', 'broken'], '--reason must be one of not-decodable, not-valid, refused, failed and crashed, not "broken"'],
    [['list', '--state', 'old'], '--state must be one of new, replayed, discarded and foreign, not "old"'],
    [['list', '--group', ''], '--group must not be empty'],
    [['discard', '--all', '--why', 'a test', '--error', ''], '--error must not be empty'],
    [['list', '--since', 'yesterday'], '--since must be an age such as 2h, a date, or a time with its zone such as 2026-11-21T13:30Z, not "yesterday"'],
    [['list', '--until', ''], '--until must not be empty'],
    [['list', '--since', '1h', '--since', '2h'], '--since is given more than once'],
    [['list', '--since', '1h', '--until', '2h'], '--since must be before --until'],
    [['list', '--since', '2026-11-21', '--until', '2026-11-21'], '--since must be before --until'],
    [['list', '--fast'], 'Unknown option \'--fast\''],
    [['list', '--topic'], '--topic'],
    [['list', '--topic', 'a b'], '"a b" must be the name of a topic'],
    [['list', '--topic', 'user_register.dlq'], 'not its dead-letter topic: user_register']
  ])('%j', (args, text) => {
    expect(() => understood(...args)).toThrow(expect.objectContaining({ exitCode: 2, message: expect.stringContaining(text) }))
  })
})

test('a time is an age, a date in UTC, or a time with its zone, and nothing that two people could read differently', () => {
  const ms = (text: string) => readTime(text, now)
  expect([ms('90s'), ms('15m'), ms('2h'), ms('7d')]).toEqual([now - 90_000, now - 900_000, now - 7_200_000, now - 604_800_000])
  expect(ms('2026-11-21')).toBe(Date.parse('2026-11-21T00:00:00.000Z'))
  for (const text of ['2026-11-21T13:30Z', '2026-11-21T14:30+01:00', '2026-11-21T13:30:00.000Z', '2026-11-21T13:30:00.000000Z']) expect(ms(text)).toBe(Date.parse('2026-11-21T13:30Z'))
  expect(ms('2024-02-29')).toBe(Date.parse('2024-02-29'))
  for (const text of ['', '2', '-2h', '2 h', '2w', '1234567d', '2026-11-21T13:30', '2026-11', '21.11.2026', '11/21/2026', '2026-02-30', '2026-02-30T10:00Z', '2025-02-29', '2026-13-01', '2026-11-21T25:00Z', '1795229125631']) expect(ms(text), text).toBeUndefined()
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
