import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { clientLogger, counter, createOutput } from '../dist/output.js'

/** Standard output and error as one transcript, and a clock to be set. */
function stage ({ out = true, err = true, env = {} }: { out?: boolean, err?: boolean, env?: Record<string, string> } = {}) {
  const clock = { ms: 5000 }
  let transcript = ''
  const stream = (isTTY: boolean) => Object.assign(new PassThrough().on('data', text => { transcript += text }), { isTTY })
  return { clock, output: createOutput(stream(out), stream(err), env, () => clock.ms), transcript: () => transcript }
}

describe('colours', () => {
  test('stand on a terminal', () => {
    expect(stage().output.paint('red', 'x')).toBe('\u001b[31mx\u001b[39m')
  })

  test.each([
    ['where standard output is a file or a pipe', { out: false }],
    ['with NO_COLOR', { env: { NO_COLOR: '1' } }],
    ['on a terminal that cannot show them', { env: { TERM: 'dumb' } }]
  ])('do not stand %s', (_where, options) => {
    expect(stage(options).output.paint('red', 'x')).toBe('x')
  })

  test('stand with an empty NO_COLOR, which is none', () => {
    expect(stage({ env: { NO_COLOR: '' } }).output.paint('dim', 'x')).toBe('\u001b[2mx\u001b[22m')
  })
})

const clear = '\r\u001b[K'

test('work of at most a second shows no progress', () => {
  const { output, transcript, clock } = stage()
  const seen = counter(output, 't.dlq', 'read', 20)
  for (; clock.ms < 6000; clock.ms += 10) seen()
  output.note('done')
  expect(transcript()).toBe('done\n')
})

test('longer work shows one line that the next one replaces, and that is gone before anything else is written', async () => {
  const { output, transcript, clock } = stage()
  const seen = counter(output, 't.dlq', 'read', 20)
  for (; clock.ms <= 6400; clock.ms += 100) seen()
  expect(transcript()).toBe(`${clear}t.dlq: 11 of 20 read${clear}t.dlq: 13 of 20 read${clear}t.dlq: 15 of 20 read`)
  await output.line('a letter')
  await output.line('another')
  clock.ms = 6600
  seen()
  output.note('done')
  expect(transcript()).toBe(`${clear}t.dlq: 11 of 20 read${clear}t.dlq: 13 of 20 read${clear}t.dlq: 15 of 20 read${clear}a letter\nanother\n${clear}t.dlq: 16 of 20 read${clear}done\n`)
})

test('a line that nothing follows is gone at the end', () => {
  const { output, transcript, clock } = stage()
  clock.ms = 7000
  output.progress(() => 'read: 1')
  output.clear()
  output.clear()
  expect(transcript()).toBe(`${clear}read: 1${clear}`)
})

test.each([
  ['standard error is no terminal', { err: false }],
  ['standard output is none, and may be a pager', { out: false }],
  ['the terminal cannot replace a line', { env: { TERM: 'dumb' } }]
])('no progress is shown where %s', (_where, options) => {
  const { output, transcript, clock } = stage(options)
  clock.ms = 60_000
  output.progress(() => 'read: 1')
  expect(transcript()).toBe('')
})

test('a warning of the Kafka client is one line, without control characters', () => {
  const { output, transcript } = stage({ out: false, err: false })
  const logger = clientLogger(output)
  logger.warn({ broker: 'a:1', reason: 'Connection\nrefused' }, 'kafka: no broker can be reached')
  logger.error({ err: new Error('no') }, 'kafka: error')
  logger.warn({}, 'kafka: text')
  logger.warn({ fac: 'REQTMOUT' }, 'kafka: Timed out 1 in-flight')
  logger.info({}, 'nothing')
  logger.debug({}, 'nothing')
  expect(transcript()).toBe('kafka: no broker can be reached: Connection\\u000arefused\nkafka: error: no\nkafka: text\n')
})
