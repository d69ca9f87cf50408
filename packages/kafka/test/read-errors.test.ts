import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { KafkaError, type ClientState } from '@pair/kafka'
import { ReadErrors } from '../dist/read-errors.js'

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

test('a batch that cannot be read is a state, once, until it has not been met for 10 s', () => {
  const states: ClientState[] = []
  const errors = new ReadErrors({ onState: state => states.push(state) })
  const noCodec = new KafkaError('ERR__NOT_IMPLEMENTED', 'Local: Not implemented')
  for (let second = 0; second < 30; second++) {
    errors.report(noCodec, ['t'], {})
    vi.advanceTimersByTime(1000)
    errors.check()
  }
  expect(states).toEqual([{ type: 'unreadable', error: noCodec }])
  vi.advanceTimersByTime(10_000)
  errors.check()
  errors.check()
  expect(states.slice(1)).toEqual([{ type: 'readable' }])
})

test('what librdkafka gets over by itself is no state', () => {
  const onState = vi.fn()
  const errors = new ReadErrors({ onState })
  for (const name of ['ERR_UNKNOWN_TOPIC_OR_PART', 'ERR__TRANSPORT', 'ERR_NOT_COORDINATOR']) errors.report(new KafkaError(name, name), ['t'], {})
  expect(onState).not.toHaveBeenCalled()
})

test('the log says where each partition stands, because librdkafka does not say in which one the error is', () => {
  const warn = vi.fn()
  const errors = new ReadErrors({ logger: { debug () {}, info () {}, warn, error () {} } })
  errors.report(new KafkaError('ERR__BAD_MSG', 'Local: Bad message format'), ['t'], { 't 0': 10, 't 1': 0 })
  expect(warn).toHaveBeenCalledWith(expect.objectContaining({ positions: { 't 0': 10, 't 1': 0 } }), 'kafka: error while consuming')
})
