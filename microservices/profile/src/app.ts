import kafka from '@fastify/kafka'
import { fileURLToPath } from 'node:url'
import type {} from 'shared-kafka/fastify' // the plugin's types, put right
import { createApp, database, deadLetterDeclaration, docs, health, inboxCleanup, messages, metrics, topics, watchBroker, type App, type Settings } from 'shared-service'
import { userRegister, userRegisterExample } from 'shared-topics'
import { profileRoute } from './profiles/profile-route.js'
import { userRegisterConsumer } from './profiles/user-register-consumer.js'

const group = 'profile-service'

/**
 * The profile service: makes a profile of each event on the topic user_register.
 *
 * @param onFatal called when the Kafka client has ended for good
 */
export async function buildApp (settings: Settings, onFatal: (error: Error) => void): Promise<App> {
  const app = createApp('profile-service', settings)
  const broker = watchBroker(onFatal)

  await app.register(metrics, { group })
  await app.register(docs, { title: 'Profile service', receives: [{ topic: userRegister, example: userRegisterExample }] })
  await app.register(database, { url: settings.DATABASE_URL, migrations: fileURLToPath(new URL('../drizzle', import.meta.url)) })
  await app.register(kafka, {
    consumer: {
      'metadata.broker.list': settings.KAFKA_BROKERS,
      'client.id': 'profile-service',
      'group.id': group,
      'session.timeout.ms': settings.KAFKA_SESSION_TIMEOUT_MS,
      'heartbeat.interval.ms': Math.floor(settings.KAFKA_SESSION_TIMEOUT_MS / 3), // two may get lost
      'fetch.wait.max.ms': 10, // the embedded broker answers a fetch no sooner, even if there is something new
      'topic.metadata.refresh.interval.ms': 5000, // finds a topic that was created late
      'reconnect.backoff.max.ms': 1000,
      logger: app.log,
      onState: broker.onState,
      onStatistics: app.metrics.onStatistics
    }
  })
  await app.register(topics, { brokers: settings.KAFKA_BROKERS, topics: [userRegister, deadLetterDeclaration(userRegister)] })
  await app.register(messages, { brokers: settings.KAFKA_BROKERS, group, onFatal })
  await app.register(inboxCleanup, { topics: [userRegister] })
  await app.register(health, {
    kafka: () => ({ state: kafkaState(), isReady: kafkaState() === 'up' })
  })

  await app.register(userRegisterConsumer)
  await app.register(profileRoute)

  // Without its tables a database refuses good messages, so nothing is read before they are there.
  app.database.migrated.then(() => app.kafka.consume(), () => {})
  return app

  function kafkaState (): string {
    if (!broker.isBack) return 'away'
    if (!broker.isMember) return 'no member of the group'
    if (broker.unreadable !== undefined) return `cannot read a batch: ${broker.unreadable}`
    if (app.messages.stuck !== undefined) return `stuck at ${app.messages.stuck}`
    return 'up'
  }
}
