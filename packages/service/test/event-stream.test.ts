import { expect, test } from 'vitest'
import { userRegisterExample as example } from '@pair/shared-topics'
import { faultOf } from '../dist/database/faults.js'
import { EventStream } from '../dist/messages/event-stream.js'

test('a stream that is offered an event while it has one keeps that, and the other one is to come again', async () => {
  const stream = new EventStream<typeof example.data>()
  const offer = async (id: string) => await stream.handle({ ...example, id }, { signal: new AbortController().signal } as never)
  const first = offer('first')
  await expect(offer('second')).rejects.toSatisfy(error => faultOf(error) === 'transient')
  expect((await stream.next()).value?.id).toBe('first')
  const next = stream.next()
  await first
  offer('second').catch(() => {})
  expect((await next).value?.id).toBe('second')
})
