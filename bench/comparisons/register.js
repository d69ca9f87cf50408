import { cpuUsOf, memoryMbOf } from '../processes.js'
import { inProcess, start, takeTurns } from '../rounds.js'
import { startService } from '../service.js'

const connections = 100

/** @typedef {{ url: string, pid: number, close: () => Promise<unknown> }} Server */

/** Registrations over HTTP. @param {import('./bench.js').Bench} bench */
export async function * compare (bench) {
  const { broker, rounds, isQuick, progress, only } = bench
  const seconds = isQuick ? 2 : 8
  const server = (/** @type {string} */ script, /** @type {string} */ client) => async (/** @type {string} */ topic) => {
    const child = start(script, { client, brokers: broker.brokers, topic })
    return { ...await child.answer(), close: child.end }
  }
  const nest = { name: 'NestJS, awaited emit', note: 'stores nothing, checks nothing', open: server('./servers/nest.js', 'nest') }
  const stock = { name: '@fastify/kafka 4 as published', note: undefined, open: server('./servers/user.js', 'stock') }
  const tables = [
    {
      title: `POST with an acknowledged push, ${connections} connections`,
      servers: [
        ...broker.isReal ? [stock] : [],
        nest,
        { name: 'bare Fastify', note: 'pushes nothing', open: server('./servers/user.js', 'bare') },
        { name: 'this project\'s client', note: undefined, open: server('./servers/user.js', 'ours') }
      ]
    },
    {
      title: `POST /user/register, ${connections} connections`,
      servers: [nest, { name: 'user service as shipped', note: 'stores user and outbox row; delivery to the topic included', open: shipped(bench) }]
    }
  ]
  for (const { title, servers } of tables.filter(({ title }) => !only || title.includes(only))) {
    yield await takeTurns({
      title,
      unit: 'requests/s',
      rounds,
      progress,
      competitors: servers.map(({ name, note, open }) => ({
        name,
        ...note && { note },
        run: async () => {
          const topic = await broker.newTopic()
          const server = await open(topic)
          try {
            await inProcess('./load-worker.js', { url: server.url, connections, seconds: 2 })
            const before = cpuUsOf(server.pid)
            const { good, bad, ...figures } = await inProcess('./load-worker.js', { url: server.url, connections, seconds })
            if (bad > 0) return { void: `${bad} requests failed` }
            const wrong = await server.check?.()
            if (wrong) return { void: wrong }
            return { ...figures, cpuUs: (cpuUsOf(server.pid) - before) / good, rssMb: memoryMbOf(server.pid) }
          } finally {
            await server.close()
            await broker.deleteTopic(topic)
          }
        }
      }))
    })
  }
}

/** @param {import('./bench.js').Bench} bench */
const shipped = ({ broker, postgres }) => async () => {
  const database = await postgres.newDatabase()
  const service = await startService('user', { KAFKA_BROKERS: broker.brokers, DATABASE_URL: database.url })
  await service.ready()
  const { userRegister } = await import('shared-topics')
  const before = await broker.countOf(userRegister.name).catch(() => 0)
  return {
    ...service,
    /** Everything that was stored reaches the topic, and soon: what the measurement left behind is named. */
    check: async () => {
      for (const deadline = Date.now() + 5_000; ;) {
        const [{ left }] = await database.query('select count(*)::int as left from outbox')
        const [{ users }] = await database.query('select count(*)::int as users from users')
        const sent = await broker.countOf(userRegister.name) - before
        if (left === 0 && sent >= users) return undefined
        if (Date.now() > deadline) return `${left} events not sent 5 s after the load, ${sent} of ${users} on the topic`
      }
    },
    close: async () => {
      await service.close()
      await database.drop()
    }
  }
}
