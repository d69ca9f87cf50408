import kafka from '@fastify/kafka'
import { fileURLToPath } from 'node:url'
import { createApp, database, docs, health, metrics, outboxRelay, topics, watchBroker, type App, type Settings } from 'shared-service'
import { userRegister, userRegisterExample } from 'shared-topics'
import { registerRoute } from './users/register-route.js'
import { userRoute } from './users/user-route.js'

/**
 * The user service: registers users, and publishes each registration to the topic user_register.
 *
 * @param onFatal called when the Kafka client has ended for good
 */
export async function buildApp (settings: Settings, onFatal: (error: Error) => void): Promise<App> {
  const app = createApp('user-service', settings)
  const broker = watchBroker(onFatal)

  await app.register(metrics)
  await app.register(docs, { title: 'User service', sends: [{ topic: userRegister, example: userRegisterExample }] })
  await app.register(database, { url: settings.DATABASE_URL, migrations: fileURLToPath(new URL('../drizzle', import.meta.url)) })
  await app.register(kafka, {
    producer: {
      'metadata.broker.list': settings.KAFKA_BROKERS,
      'client.id': 'user-service',
      'message.max.bytes': Number(userRegister.config['max.message.bytes']),
      'topic.metadata.refresh.interval.ms': 5000, // finds a topic that was created late
      'reconnect.backoff.max.ms': 1000,
      headers: [{ 'content-type': 'application/cloudevents+json' }],
      logger: app.log,
      onState: broker.onState,
      onStatistics: app.metrics.onStatistics
    },
    producerTopicConf: { 'message.timeout.ms': 30_000 }
  })
  await app.register(topics, { brokers: settings.KAFKA_BROKERS, topics: [userRegister] })
  await app.register(outboxRelay, { broker })
  // Ready without Kafka too: the outbox keeps the events until it is back.
  await app.register(health, { kafka: () => ({ state: broker.isBack ? 'up' : 'away', isReady: true }) })

  await app.register(registerRoute)
  await app.register(userRoute)
  return app
}
