import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { KafkaError, type ClientState } from '@pair/kafka'
import { ReadErrors } from '../dist/read-errors.js'

const place = { topic: 't', partition: 1, offset: 10 }

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

test('an unreadable batch is reported as a state, once, until there was none for 10 s', () => {
  const states: ClientState[] = []
  const errors = new ReadErrors({ onState: state => states.push(state) })
  const noCodec = new KafkaError('ERR__NOT_IMPLEMENTED', 'Local: Not implemented')
  for (let second = 0; second < 30; second++) {
    errors.report(noCodec, place)
    vi.advanceTimersByTime(1000)
    errors.check()
  }
  expect(states).toEqual([{ type: 'unreadable', error: noCodec }])
  vi.advanceTimersByTime(10_000)
  errors.check()
  errors.check()
  expect(states.slice(1)).toEqual([{ type: 'readable' }])
})

test('an error from which librdkafka recovers is no state', () => {
  const onState = vi.fn()
  const errors = new ReadErrors({ onState })
  for (const name of ['ERR_UNKNOWN_TOPIC_OR_PART', 'ERR__TRANSPORT', 'ERR_NOT_COORDINATOR']) errors.report(new KafkaError(name, name), place)
  expect(onState).not.toHaveBeenCalled()
})

test('the log says where the error is, once for each topic', () => {
  const warn = vi.fn()
  const errors = new ReadErrors({ logger: { debug () {}, info () {}, warn, error () {} } })
  const err = new KafkaError('ERR__BAD_MSG', 'Local: Bad message format')
  for (const topic of ['t', 't', 'other']) errors.report(err, { ...place, topic })
  expect(warn.mock.calls).toEqual(['t', 'other'].map(topic => [{ err, topic, partition: 1, offset: 10 }, 'kafka: error while consuming']))
})

test('an error that concerns no topic is logged without one', () => {
  const warn = vi.fn()
  const err = new KafkaError('ERR__TRANSPORT', 'Local: Broker transport failure')
  new ReadErrors({ logger: { debug () {}, info () {}, warn, error () {} } }).report(err, { topic: undefined, partition: -1, offset: -1001 })
  expect(warn).toHaveBeenCalledWith({ err }, 'kafka: error while consuming')
})
