import type { FastifyInstance } from 'fastify'
import { basename, join } from 'node:path'
import { database } from '../database/database.js'
import { admin } from '../http/admin.js'
import { createApp, type App } from '../http/app.js'
import { docs } from '../http/docs.js'
import { health } from '../http/health.js'
import { indexPage } from '../http/index-page.js'
import { inboxCleanup } from '../inbox/cleanup.js'
import { metrics } from '../metrics/plugin.js'
import { outbox } from '../outbox/outbox.js'
import { publishing } from '../publishing/publish.js'
import { requestReply } from '../request-reply/plugin.js'
import type { Settings } from '../settings/settings.js'
import { contract } from './contract.js'
import { dependencies } from './dependencies.js'
import { kafkaState } from './kafka-state.js'
import { registerKafka } from './kafka.js'
import type { ServiceManifest } from './manifest.js'

/** What a service's `app.ts` exports by default: a plugin that registers its routes and consumers. */
export type ServicePlugin = (app: App) => Promise<void>

/**
 * Builds a service around its own plugin, and registers everything that each service needs in start order. Closing runs in
 * reverse: first the service takes no more work, then it finishes messages and the outbox, then it leaves Kafka and the
 * database.
 *
 * @param onFatal called when a Kafka client has failed permanently
 * @param logStream destination of the log instead of stdout
 */
export async function buildService (
  manifest: ServiceManifest, plugin: ServicePlugin, settings: Settings, onFatal: (error: Error) => void, logStream?: NodeJS.WritableStream
): Promise<App & FastifyInstance> {
  const { name, folder, hasDatabase } = manifest
  const app = createApp(name, settings, logStream)

  await app.register(admin, { port: settings.ADMIN_PORT })
  await app.register(metrics, { group: app.kafkaName(name) })
  await app.register(dependencies)
  await app.register(contract, { source: `/${name}` })
  await app.register(docs, { title: titleOf(name), group: app.kafkaName(name), topics: () => ({ sends: [...app.contract.sends, ...app.requestReply.sends], receives: app.contract.consumers.map(({ topic }) => topic) }) })
  await app.register(publishing, { topics: () => app.contract.sends })
  if (hasDatabase) {
    await app.register(database, { url: settings.DATABASE_URL, service: name, migrations: join(folder, 'migrations') })
    await app.register(outbox, { aggregateType: basename(folder) })
  }

  await app.register(requestReply, { name, settings, onFatal })

  await app.register(async service => await plugin(service as App))

  const { sends, consumers } = app.contract
  const clients = await registerKafka(app, { name, settings, onFatal })
  if (hasDatabase && consumers.length > 0) await app.register(inboxCleanup, { topics: consumers.map(({ topic }) => topic) })

  const state = () => kafkaState(clients, app.hasDecorator('messages') ? app.messages : undefined, app.requestReply, !hasDatabase || app.database.isUp)
  await app.register(health, {
    kafka: () => state() === 'up' ? app.requestReply.problem ?? 'up' : state(),
    wasMember: () => clients.consumer?.wasMember ?? true,
    // An outbox keeps the events while Kafka is unreachable. A service without one cannot send then.
    canSend: () => hasDatabase || sends.length === 0 || clients.producer?.isBack === true,
    ...(clients.consumer && { isConsuming: () => state() === 'up' })
  })
  await app.register(indexPage, { title: titleOf(name) })
  return app
}

/** "user-service" → "User service" */
function titleOf (name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll('-', ' ')}`
}
