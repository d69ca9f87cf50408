import { setTimeout as delay } from 'node:timers/promises'
import { senders, type Client } from './clients/producers.js'
import { percentiles } from './load.js'
import { answerWith, usage } from './rounds.js'

// Keeps a number of awaited sends in flight for a time, or sends at a fixed rate.

interface Job { client: Client, brokers: string, topic: string, inFlight: number, perSecond: number, seconds: number }

const value = JSON.stringify({ id: '0192f3a4-5b6c-7d8e-9f01-23456789abcd', text: 'x'.repeat(145) })

answerWith<Job>(async ({ client, brokers, topic, inFlight, perSecond, seconds }) => {
  const sender = await senders[client]({ brokers, topic, inFlight })
  let acked = 0
  const end = new AbortController()
  let latencies: number[] = []
  const lane = async (number: number) => {
    for (let count = 0; !end.signal.aborted; count++) {
      const started = performance.now()
      await sender.send(`key-${number}-${count % 100}`, value)
      acked++
      if (acked % 16 === 0 || inFlight < 16) latencies.push(performance.now() - started)
    }
  }
  const lanes = Array.from({ length: inFlight }, (_, number) => lane(number))
  const timer = perSecond > 0 && setInterval(() => { sender.send('key', value).then(() => { acked++ }) }, 1000 / perSecond)
  await delay(1000)
  const before = acked
  latencies = []
  const since = usage()
  const started = performance.now()
  await delay(seconds * 1000)
  const count = acked - before
  const tookMs = performance.now() - started
  const { cpuUs, rssMb } = since(1)
  end.abort()
  if (timer) clearInterval(timer)
  await Promise.all(lanes)
  await sender.close()
  const isIdle = inFlight === 0
  return {
    acked,
    rate: count / tookMs * 1000,
    rssMb,
    ...isIdle ? { cpuPercent: cpuUs / tookMs / 10 } : { cpuUs: cpuUs / count, ...percentiles(latencies) }
  }
})
