import type { ConsumerGlobalConfig, ConsumerTopicConfig, ProducerGlobalConfig, ProducerTopicConfig } from 'node-rdkafka'
import type { ClientState, HeadersToSend, Logger, Statistics } from './types.js'

/** librdkafka also takes a number or a boolean as text, as in a properties file. */
type OrText<Properties> = { [Name in keyof Properties]?: Properties[Name] | string | undefined }

/** librdkafka's properties of both kinds of client, which ignore those of the other kind. */
type Librdkafka = Omit<OrText<ProducerGlobalConfig & ProducerTopicConfig & ConsumerGlobalConfig & ConsumerTopicConfig>, keyof OwnOfProducers | keyof OwnOfConsumers>

/** Options of a producer and of a consumer that are not librdkafka's own, most of them by the names of `@fastify/kafka` 4.0.0. */
interface CommonOptions {
  /** `metadata.broker.list`: addresses `host:port` of some brokers, through which the others are found. */
  bootstrapBrokers?: Array<string | { host: string, port: number }> | string | undefined
  /** `client.id`: this client's name in the broker's logs, quotas and metrics. */
  clientId?: string | undefined
  /** `sasl.*`, and `security.protocol`. Tokens and passwords are text: librdkafka calls no provider function. */
  sasl?: { mechanism?: string | undefined, username?: string | undefined, password?: string | undefined } | undefined
  /** `ssl.*`, and `security.protocol`. Certificates and keys are PEM. Certificate and host name are checked, unless `rejectUnauthorized` is false. */
  tls?: TlsOptions | undefined
  /** The same as `tls`. */
  ssl?: TlsOptions | undefined
  /** `socket.timeout.ms`: a connection without an answer for this long is closed, in ms. Default 30,000. */
  timeout?: number | undefined
  /** The same as `timeout`. */
  requestTimeout?: number | undefined
  /** `socket.connection.setup.timeout.ms`: limit of connecting to a broker, in ms, at least 1000. */
  connectTimeout?: number | undefined
  /** `retry.backoff.ms`: pause between two attempts of a request, in ms. */
  retryDelay?: number | undefined
  /** `topic.metadata.refresh.interval.ms`: longest time until a new partition or leader is known, in ms. Default 5000. */
  metadataMaxAge?: number | undefined
  /** `allow.auto.create.topics`: whether subscribing to a missing topic creates it. For a producer the broker decides. */
  autocreateTopics?: boolean | undefined
  /** The same as `autocreateTopics`. */
  allowAutoTopicCreation?: boolean | undefined
  /** Receives log lines for operators. Without it, warnings and errors become warnings of the process, once for each kind. */
  logger?: Logger | undefined
  /** Called on the event loop for each change. With it, the client connects when it is created, not when it is first used. */
  onState?: ((state: ClientState) => void) | undefined
  /** Called on the event loop once a second (`statistics.interval.ms`). With it, the client connects when it is created, not when it is first used. */
  onStatistics?: ((statistics: Statistics) => void) | undefined
  /** Limit of `close`, in ms, of which a consumer reserves up to 2000 for leaving its group, a producer 1000 for freeing its handle. Default 5000. */
  closeTimeoutMs?: number | undefined
}

interface TlsOptions {
  ca?: Pem | undefined
  cert?: Pem | undefined
  key?: Pem | undefined
  passphrase?: string | undefined
  ciphers?: string | undefined
  rejectUnauthorized?: boolean | undefined
}

type Pem = string | Uint8Array | Array<string | Uint8Array>

interface OwnOfProducers {
  /**
   * Replicas that must have a message before its push resolves: `all` in-sync ones (-1), the leader (1), or none (0: a push resolves
   * when the message was sent; it may be lost). With `all`, the default, a retry never duplicates a message (`enable.idempotence`).
   */
  acks?: number | string | undefined
  /** `compression.type`: of each batch. */
  compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' | undefined
  /** `enable.idempotence`: librdkafka's retries neither duplicate messages nor change their order. Default: true where `acks` is `all`. */
  idempotent?: boolean | undefined
  /** `retries`: the most retries of a request within `message.timeout.ms`, at least 1; true: no limit. */
  retries?: number | boolean | undefined
  /** `max.in.flight`: requests in flight to one broker, at most 5, which keeps the order. */
  maxInflights?: number | undefined
  /** Added before the headers of every message. */
  headers?: HeadersToSend | undefined
}

interface OwnOfConsumers {
  /** `group.id`: the members of a group share its messages and its committed offsets. */
  groupId?: string | undefined
  /** `group.instance.id`: makes it a static member, which keeps its partitions while its process restarts, for `session.timeout.ms` at most. */
  groupInstanceId?: string | undefined
  /** `group.protocol`: `consumer` is KIP-848's. */
  groupProtocol?: 'classic' | 'consumer' | undefined
  /** `group.remote.assignor`, with KIP-848's protocol. */
  groupRemoteAssignor?: string | undefined
  /** `session.timeout.ms`: after this long without a heartbeat a member's partitions go to others, in ms. */
  sessionTimeout?: number | undefined
  /** `heartbeat.interval.ms`, in ms; a third of `sessionTimeout` at most. */
  heartbeatInterval?: number | undefined
  /** `max.poll.interval.ms`, in ms. The client polls while handlers run, so a slow handler does not lose its membership. */
  rebalanceTimeout?: number | undefined
  /** False (default): only messages that the listener commits are committed. True, or an interval in ms: messages are committed when handed out, and are lost if their handler fails. */
  autocommit?: boolean | number | undefined
  /** `auto.offset.reset`: where to start in a partition without a committed offset. `fail` is `error`. */
  fallbackMode?: 'latest' | 'earliest' | 'fail' | undefined
  /** `isolation.level`, by default 1, `read_committed`: messages of aborted transactions are not handed out. */
  isolationLevel?: number | 'read_uncommitted' | 'read_committed' | undefined
  /** `fetch.min.bytes` */
  minBytes?: number | undefined
  /** `fetch.max.bytes`, at least 1,000,000 */
  maxBytes?: number | undefined
  /** `max.partition.fetch.bytes` */
  maxBytesPerPartition?: number | undefined
  /** `fetch.wait.max.ms`: longest time that the broker waits for `minBytes`, in ms. */
  maxWaitTime?: number | undefined
  /**
   * True: a commit includes all earlier messages of its partition, as in Kafka, except released ones. False (default): it includes
   * its own message only, so handlers may end in any order, and no commit passes a message in flight.
   */
  cumulativeCommits?: boolean | undefined
}

/** Type of `@fastify/kafka`'s options `producer` and `producerTopicConf`: `{ … } satisfies ProducerOptions`. */
export interface ProducerOptions extends Librdkafka, CommonOptions, OwnOfProducers {}

/** Type of `@fastify/kafka`'s options `consumer` and `consumerTopicConf`: `{ … } satisfies ConsumerOptions`. */
export interface ConsumerOptions extends Librdkafka, CommonOptions, OwnOfConsumers {}

/**
 * Options of a producer or a consumer: librdkafka's properties, the options of `@fastify/kafka` 4.0.0, and the client's own.
 */
export interface ClientOptions extends Librdkafka, CommonOptions, OwnOfProducers, OwnOfConsumers {}
