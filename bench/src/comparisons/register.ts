import { userRegister } from '@pair/shared-topics'
import type { Bench } from '../bench.js'
import { settingsOf } from '../connection.js'
import { connections, register } from '../registering.js'
import { startWorker, takeTurns } from '../rounds.js'
import { startShipped } from '../service.js'

interface Server {
  url: string
  pid: number
  /** Errors found after the load. */
  check?: () => Promise<string | undefined>
  close: () => Promise<unknown>
}

type OpenServer = (topic: string) => Promise<Server>

/** Registrations over HTTP. */
export async function * compare (bench: Bench) {
  const { broker, rounds, isQuick, progress, only } = bench
  const seconds = isQuick ? 2 : 8
  const server = (script: string, client: string): OpenServer => async topic => {
    const { announced, close } = await startWorker<{ url: string, pid: number }>(script, { client, brokers: broker.brokers, topic })
    return { ...announced, close }
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
        note,
        run: async () => {
          const topic = await broker.newTopic()
          const server = await open(topic)
          try {
            const figures = await register(server, seconds)
            const wrong = figures.void ?? await server.check?.()
            return wrong === undefined ? figures : { void: wrong }
          } finally {
            await server.close()
            await broker.deleteTopic(topic)
          }
        }
      }))
    })
  }
}

const shipped = ({ broker, postgres }: Bench): OpenServer => async () => {
  const database = await postgres.newDatabase()
  const service = await startShipped('user', { ...settingsOf(broker.brokers), DATABASE_URL: database.url })
  await service.ready()
  const before = await broker.countOf(userRegister.name).catch(() => 0)
  return {
    ...service,
    /** Checks that all stored events reach the topic within 5 s. Returns what is missing as text. */
    check: async () => {
      for (const deadline = Date.now() + 5_000; ;) {
        const [left, users] = [await database.count('outbox'), await database.count('users')]
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
