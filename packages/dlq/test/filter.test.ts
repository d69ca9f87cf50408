import { expect, test } from 'vitest'
import { readDeadLetter } from '../dist/dead-letter.js'
import { mismatchOf, type Filter } from '../dist/filter.js'
import { topicsMeant } from '../dist/topics.js'
import { readArguments, type Wanted } from '../dist/arguments.js'
import { failure, message, stored } from './cli.js'

const nothing: Filter = { reason: undefined, group: undefined, key: undefined, error: undefined, state: undefined, since: undefined, until: undefined }
const read = (record: Parameters<typeof readDeadLetter>[0]) => readDeadLetter(record, { topic: 'user_register' })
const letter = read(stored(message({ key: Buffer.from('key') }), { ...failure, error: 'Das ging NICHT: É' }))
const foreign = read({ ...stored(), headers: [] })

/** The option that the letter does not match. */
const mismatch = (filter: Partial<Filter>, item = letter) => mismatchOf({ ...nothing, ...filter }, name => `staging.${name}`)(item, 'new')

test('without a filter everything matches, also what is no dead letter', () => {
  expect([mismatch({}), mismatch({}, foreign)]).toEqual([undefined, undefined])
})

test('reason, group and a part of the error, in upper or lower case, are those of the dead letter, and nothing else has them', () => {
  expect([mismatch({ reason: ['failed'] }), mismatch({ reason: ['crashed'] }), mismatch({ reason: ['crashed', 'failed'] }), mismatch({ reason: ['failed'] }, foreign)]).toEqual([undefined, 'reason', undefined, 'reason'])
  expect([mismatch({ group: ['mailer'] }), mismatch({ group: ['mail'] }), mismatch({ group: ['mailer'] }, foreign)]).toEqual([undefined, 'group', 'group'])
  expect([mismatch({ error: ['ging nicht'] }), mismatch({ error: ['é'] }), mismatch({ error: ['ging gut'] }), mismatch({ error: [''] }, foreign)]).toEqual([undefined, undefined, 'error', 'error'])
})

test('a group is known by its name and by the name that it has on the broker', () => {
  const ofPrefixed = mismatchOf({ ...nothing, group: ['er'] }, name => `mail${name}`)
  expect(ofPrefixed(letter, 'new')).toBeUndefined()
})

test('a key is compared as a whole, as text or as bytes in hexadecimal digits', () => {
  expect([mismatch({ key: ['key'] }), mismatch({ key: ['ke'] }), mismatch({ key: ['0x6B6579'] })]).toEqual([undefined, 'key', undefined])
  const withKey = (key: Buffer | null) => read(stored(message({ key })))
  expect(mismatch({ key: ['0x00ff'] }, withKey(Buffer.from([0, 255])))).toBeUndefined()
  expect(mismatch({ key: ['0x00ff'] }, withKey(Buffer.from('0x00ff')))).toBeUndefined()
  expect([mismatch({ key: [''] }, withKey(Buffer.alloc(0))), mismatch({ key: [''] }, withKey(null))]).toEqual([undefined, 'key'])
})

test('the time is that of the dead letter, from since on and before until; a letter without a time matches neither', () => {
  const { timestamp } = letter.record
  expect([mismatch({ since: timestamp }), mismatch({ since: timestamp + 1 }), mismatch({ until: timestamp + 1 }), mismatch({ until: timestamp })]).toEqual([undefined, 'since', undefined, 'until'])
  const timeless = read({ ...stored(), timestamp: -1 })
  expect([mismatch({ since: -5 }, timeless), mismatch({ until: timestamp }, timeless)]).toEqual(['since', 'until'])
})

test('all filters must match', () => {
  expect(mismatch({ reason: ['failed'], group: ['mailer'], key: ['key'], state: ['new'] })).toBeUndefined()
  expect(mismatch({ reason: ['failed'], group: ['mailer'], key: ['key'], state: ['replayed', 'discarded'] })).toBe('state')
})

const topics = new Map([['t.a', 4], ['t.a.dlq', 4], ['t.a.dlq.replayed', 1], ['t.b.dlq', 4], ['other.c.dlq', 1], ['t..dlq', 1], ['t.a.dlq.dlq', 1], ['t.dlq', 1]])
const meant = (args: string[], prefix = 't.') => [...topicsMeant(topics, prefix, readArguments(args, 0, () => 'anna') as Wanted)]

test('list and show are about all dead-letter topics that begin with KAFKA_PREFIX, or the one of --topic', () => {
  expect(meant(['list'])).toEqual([['a', 'all'], ['b', 'all']])
  expect(meant(['show', '--all'])).toEqual([['a', 'all'], ['b', 'all']])
  expect(meant(['list', '--topic', 'b'])).toEqual([['b', 'all']])
})

test('replay and discard of all are about the only topic, and where there are several they must be told which', () => {
  for (const command of [['replay', '--all'], ['discard', '--all', '--why', 'a test']]) {
    expect(meant(command, 'other.')).toEqual([['c', 'all']])
    expect(meant([...command, '--topic', 'b'])).toEqual([['b', 'all']])
    expect(meant([...command, '--all-topics'])).toEqual([['a', 'all'], ['b', 'all']])
    for (const more of [[], ['--reason', 'failed', '--since', '1d']]) {
      expect(() => meant([...command, ...more])).toThrow(expect.objectContaining({ exitCode: 2, message: '2 topics have a dead-letter topic (a, b): say which with --topic <topic>, or --all-topics for all of them (see --help)' }))
    }
  }
})

test('a letter that is named without a topic is one of the only topic, and one that is named twice is meant once', () => {
  const [at, other] = [{ partition: 0, offset: 1 }, { partition: 0, offset: 2 }]
  expect(meant(['show', '0:1', 'c:0:1', '0:2'], 'other.')).toMatchObject([['c', [at, other]]])
  expect(meant(['replay', 'b:0:1', 'a:0:1', 'b:0:2'])).toMatchObject([['b', [at, other]], ['a', [at]]])
  expect(() => meant(['replay', 'a:0:1', '0:1'])).toThrow(expect.objectContaining({ exitCode: 2, message: expect.stringContaining('2 topics have a dead-letter topic (a, b): say which with --topic <topic>, or name each letter as') }))
  expect(() => meant(['list'], 'x.')).toThrow(expect.objectContaining({ exitCode: 3, message: 'There is no topic x.….dlq on this broker' }))
})
