import rdkafka from 'node-rdkafka'
import { newId } from 'shared-service'
import { userRegister, userRegisterExample } from 'shared-topics'
import { answerWith } from './rounds.js'

// Fills a topic with so many events, with ids as the user service gives them (in the order of time, which a database's
// indexes notice), or with small records where no events are asked for.

answerWith(async ({ brokers, topic, count, isEvents = false, from = 0 }) => {
  const producer = new rdkafka.Producer({
    'metadata.broker.list': brokers, 'linger.ms': 50, 'batch.size': 1_000_000, 'queue.buffering.max.messages': 100_000, dr_cb: false
  })
  await new Promise((resolve, reject) => producer.connect({}, error => error ? reject(new Error(error.message)) : resolve(undefined)))
  producer.setPollInterval(20)
  const small = Buffer.from(JSON.stringify({ id: '0192f3a4-5b6c-7d8e-9f01-23456789abcd', text: 'x'.repeat(145) }))
  for (let number = 0; number < count;) {
    const id = newId()
    const username = `fill-${from + number}`
    const value = isEvents
      ? Buffer.from(JSON.stringify({ ...userRegisterExample, id: newId(), source: userRegister.source, subject: id, data: { id, email: `${username}@example.com`, username } }))
      : small
    try {
      producer.produce(topic, null, value, id)
      number++
    } catch {
      await new Promise(resolve => setTimeout(resolve, 5)) // its queue is full
    }
  }
  await new Promise((resolve, reject) => producer.flush(120_000, error => error ? reject(new Error(error.message)) : resolve(undefined)))
  await new Promise(resolve => producer.disconnect(resolve))
  return { count }
})
