import { setTimeout as delay } from 'node:timers/promises'
import { EMBEDDED_BROKER_SETTINGS } from '@pair/dev'
import { userRegister } from '@pair/shared-topics'
import { cpuUsOf, memoryMbOf } from './processes.js'
import type { Bench } from './bench.js'
import type { Database } from './postgres.js'
import { inProcess, type Figures } from './rounds.js'
import { settingsOf } from './connection.js'
import { startShipped } from './service.js'

const group = 'profile-service'
let filled = 0

/** The released profile service with a backlog of this many events: from the first profile to the last. */
export async function catchUp ({ broker, progress }: Bench, count: number, database: Database): Promise<Figures> {
  const settings = {
    ...settingsOf(broker.brokers), DATABASE_URL: database.url, ...!broker.isReal && EMBEDDED_BROKER_SETTINGS
  }
  // A first run creates tables and topic, and handles earlier events of the topic.
  const first = await startShipped('profile', settings)
  await first.ready()
  await broker.createTopic(userRegister.name)
  while (await broker.committedOf(userRegister.name, group) < await broker.countOf(userRegister.name)) await delay(200)
  await first.close()

  const before = await database.count('profiles')
  progress(`writing ${count.toLocaleString('en')} events …`)
  await inProcess('./fill-worker.js', { brokers: broker.brokers, topic: userRegister.name, count, isEvents: true, from: filled }, 300)
  filled += count
  const service = await startShipped('profile', settings)
  try {
    const samples: Array<{ atMs: number, made: number }> = []
    let cpuBefore = 0
    for (let made = 0, idleSince = performance.now(); made < count;) {
      const now = await handledBy(service.url)
      if (now > made) idleSince = performance.now()
      if (made === 0) cpuBefore = cpuUsOf(service.pid)
      made = now
      if (made > 0) samples.push({ atMs: performance.now(), made })
      if (performance.now() - idleSince > 30_000) return { void: `${made} of ${count} events handled` }
      await delay(50)
    }
    const profiles = await database.count('profiles') - before
    if (profiles !== count) return { void: `${profiles} profiles of ${count} events` }
    const rateBetween = (from: number, to: number) => {
      const [start, end] = [samples.find(({ made }) => made >= from * count), samples.find(({ made }) => made >= to * count)]
      return start && end && end !== start ? (end.made - start.made) / (end.atMs - start.atMs) * 1000 : NaN
    }
    const twice = await database.query('select 1 from profiles group by user_id having count(*) > 1 limit 1')
    if (twice.length > 0) return { void: 'a user has two profiles' }
    for (const deadline = Date.now() + 5_000; await broker.committedOf(userRegister.name, group) < await broker.countOf(userRegister.name);) {
      if (Date.now() > deadline) return { void: 'not everything is committed 5 s later' }
    }
    return {
      rate: rateBetween(0, 1),
      ...count >= 100_000 && { lastTenth: rateBetween(0.9, 1) / rateBetween(0.05, 0.15) },
      cpuUs: (cpuUsOf(service.pid) - cpuBefore) / count,
      rssMb: memoryMbOf(service.pid)
    }
  } finally {
    await service.close()
  }
}

/** Number of messages that the service has finished, from its metrics: counting rows would cost more. */
async function handledBy (url: string): Promise<number> {
  const text = await fetch(`${url}/metrics`).then(answer => answer.text(), () => '') // not listening yet
  return [...text.matchAll(/^messages_handled_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0)
}
