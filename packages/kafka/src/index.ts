// The exports of @platformatic/kafka that @fastify/kafka uses, on librdkafka, and those that services and tools need besides.

import './main-thread.js' // first
import './peers.js'

export { Admin, type ClusterMetadata } from './admin.js'
export { startBroker } from './broker.js'
export { connection, type Connection } from './connection.js'
export { Consumer } from './consumer.js'
export { KafkaError } from './errors.js'
export { LiveReader } from './live-reader.js'
export { Producer } from './producer.js'
export { TopicReader } from './reader.js'
export { provisionTopics } from './topics.js'
export type { ClientOptions, ConsumerOptions, ProducerOptions } from './client-options.js'
export type { ClientState, Delivery, Headers, HeadersToSend, Logger, Message, OutgoingMessage, Statistics, StoredMessage, TopicDeclaration } from './types.js'

/** Imported by the plugin for its producer. Unused here: `send` encodes keys and values. */
export const stringSerializers = {}
