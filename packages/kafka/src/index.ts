// What @fastify/kafka takes from @platformatic/kafka, on librdkafka, and what the services need beside it.

import './main-thread.js' // first

export { startBroker } from './broker.js'
export { connection, type Connection } from './connection.js'
export { Consumer } from './consumer.js'
export { KafkaError } from './errors.js'
export { LiveReader } from './live-reader.js'
export { Producer } from './producer.js'
export { TopicReader } from './reader.js'
export { provisionTopics } from './topics.js'
export type { ClientOptions, ClientState, Delivery, Headers, HeadersToSend, Logger, Message, OutgoingMessage, Statistics, StoredMessage, TopicDeclaration } from './types.js'

/** The plugin hands these to its producer. Here a record's key and value are turned into bytes by `send` itself. */
export const stringSerializers = {}
