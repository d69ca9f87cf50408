import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { readers, type Client } from './clients/consumers.js'
import { answerWith, usage } from './rounds.js'

// Reads a filled topic to its end, or for a given time.

interface Job { client: Client, brokers: string, topic: string, group: string, count: number, limitMs: number }

answerWith<Job>(async ({ client, brokers, topic, group, count, limitMs }) => {
  let seen = 0
  let started = 0
  const delays = monitorEventLoopDelay({ resolution: 1 })
  let since = usage()
  let done = () => {}
  const all = new Promise<void>(resolve => { done = resolve })
  const reader = await readers[client]({
    brokers,
    topic,
    group,
    onMessage () {
      if (seen++ === 0) {
        started = performance.now()
        since = usage()
        delays.enable()
        setTimeout(done, limitMs).unref()
      }
      if (seen === count) done()
    }
  })
  await all
  const reached = seen
  const seconds = (performance.now() - started) / 1000
  const figures = since(reached)
  delays.disable()
  // Some clients never reach the end; what they have committed counts.
  await Promise.race([reader.close(), delay(5000)])
  return { seen: reached, rate: reached / seconds, heldMs: delays.max / 1e6, ...figures }
})
