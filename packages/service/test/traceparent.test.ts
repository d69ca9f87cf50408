import { createApp } from '@pair/service'
import { describe, expect, test } from 'vitest'
import { spanContextOf } from '../dist/tracing/traceparent.js'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const traceparent = `00-${traceId}-${spanId}-01`

/** A service that answers with the traceparent that its events would get. */
function service () {
  const lines: Array<Record<string, unknown>> = []
  const app = createApp('x', { LOG_LEVEL: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) } as never)
  app.get('/', async request => request.traceparent)
  return { app, lines }
}

describe('a traceparent', () => {
  test.each([
    ['one', traceparent, '01'], ['one not sampled', `00-${traceId}-${spanId}-00`, '00'], ['one with unknown flags', `00-${traceId}-${spanId}-fd`, '01'],
    ['one of a later version', `cc-${traceId}-${spanId}-01-what-the-future-brings`, '01']
  ])('that is %s goes on', async (_what, sent, flags) => {
    const { app, lines } = service()
    expect((await app.inject({ url: '/', headers: { traceparent: sent } })).body).toBe(`00-${traceId}-${spanId}-${flags}`)
    expect(lines.map(({ msg, trace_id: id }) => [msg, id])).toEqual([['request completed', traceId]])
  })

  test.each([
    ['absent', undefined], ['nonsense', 'nonsense'], ['in capitals', traceparent.toUpperCase()], ['of version ff', traceparent.replace('00', 'ff')],
    ['too long', `${traceparent}0`], ['of version 00 with more behind it', `${traceparent}-more`], ['without a trace', traceparent.replace(traceId, '0'.repeat(32))], ['without a span', traceparent.replace(spanId, '0'.repeat(16))],
    ['given twice', `${traceparent}, ${traceparent}`]
  ])('that is %s is replaced by a new one', async (_what, sent) => {
    const { app, lines } = service()
    const { body } = await app.inject({ url: '/', headers: sent === undefined ? {} : { traceparent: sent } })
    const again = await app.inject('/')
    expect(spanContextOf(body)).toBeDefined()
    expect(body).not.toContain(traceId)
    expect(again.body).not.toBe(body)
    expect(lines[0]).toMatchObject({ msg: 'request completed', trace_id: body.split('-')[1] })
  })
})
