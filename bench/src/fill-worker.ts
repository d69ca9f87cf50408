import { setTimeout as delay } from 'node:timers/promises'
import rdkafka from 'node-rdkafka'
import { newId } from '@pair/service'
import { userRegisterExample } from '@pair/shared-topics'
import { connectionTo } from './connection.js'
import { connected, disconnected } from './rdkafka.js'
import { answerWith } from './rounds.js'

// Fills a topic with events whose ids are ordered by time like the user service's (which matters to database indexes), or with small
// records.

interface Job { brokers: string, topic: string, count: number, isEvents?: boolean, from?: number }

answerWith<Job>(async ({ brokers, topic, count, isEvents = false, from = 0 }) => {
  const producer = new rdkafka.Producer({
    ...connectionTo(brokers), 'linger.ms': 50, 'batch.size': 1_000_000, 'queue.buffering.max.messages': 100_000, dr_cb: false
  })
  await connected(producer)
  producer.setPollInterval(20)
  const small = Buffer.from(JSON.stringify({ id: '0192f3a4-5b6c-7d8e-9f01-23456789abcd', text: 'x'.repeat(145) }))
  for (let number = 0; number < count;) {
    const id = newId()
    const username = `fill-${from + number}`
    const value = isEvents
      ? Buffer.from(JSON.stringify({ ...userRegisterExample, id: newId(), source: '/user-service', subject: id, data: { id, email: `${username}@example.com`, username } }))
      : small
    try {
      producer.produce(topic, null, value, id, undefined, undefined, [{ 'content-type': 'application/cloudevents+json' }])
      number++
    } catch {
      await delay(5) // the local queue is full
    }
  }
  await new Promise<void>((resolve, reject) => producer.flush(120_000, error => error ? reject(new Error(error.message)) : resolve()))
  await disconnected(producer)
  return { count }
})
