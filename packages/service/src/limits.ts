// Limits that depend on each other. limits.test.ts checks that they fit together.

/** Handlers of a consumer that run concurrently by default; each uses a database connection. */
export const defaultConcurrency = 10

/** Database connections for requests. Further requests queue, or fail with an overload error. */
export const requestConnections = 10

/** Database connections for everything but requests and handlers: the relay's leases, reads and deletes, the probe, the counts for /metrics. */
export const otherWorkConnections = 4

/** Database connections for the service's own work. Each further consumer adds its own. */
export const workConnections = defaultConcurrency + otherWorkConnections

/** Items of a failed batch that are stored individually at the same time: half of the connections, so that they never use all. */
export const individualConcurrency = Math.floor(requestConnections / 2)

/** The most connections that a consumer uses: one for each running handler, or one for a batch and those for items stored individually. */
export function connectionsOf ({ concurrency = defaultConcurrency, handleBatch }: { concurrency?: number, handleBatch?: unknown }): number {
  return handleBatch === undefined ? concurrency : individualConcurrency + 1
}

/** Maximum of uncommitted messages that the client delivers. Equal to `permitLimit` of @pair/kafka, which imports nothing from here because it can be used alone. */
export const messagesInFlight = 250

/** Maximum number of items in a batch. It exceeds the messages in flight, so that a batch never limits them. */
export const maxBatch = 500

/** How long a caller waits for a connection, in ms. With `answerTimeoutMs` it stays below the 2 s within which each caller gets an answer. */
export const waitForConnectionMs = 800

/** How long a query waits for its result, in ms; covers a server that stopped responding. */
export const answerTimeoutMs = 1100

/** The server's statement_timeout in ms: shorter than `answerTimeoutMs`, so that the server stops before the caller gives up. */
export const statementTimeoutMs = 1000

/** Timeout of a new database connection, in ms. */
export const connectTimeoutMs = 5000

/** How often the relay renews its lease and looks for waiting topics, and how long a lease lasts. Three renewals in a row may fail. */
export const relay = { scanEveryMs: 1000, leaseS: 5 }

/** The most that the relay holds of a topic in memory, and the most that a read returns. A read starts when less than half of a read is held, so it always returns further rows. */
export const relayMemory = { maxRows: 10_000, maxBytes: 32 * 1024 * 1024, readRows: 1000, readBytes: 8 * 1024 * 1024 }

/**
 * The steps of a shutdown in order, each with its time limit in ms (`buildService` explains the order). Their sum is less than
 * the default of SHUTDOWN_GRACE_MS, even if nothing answers. That default is less than the time that the launcher and Compose
 * (`stop_grace_period`) give a service.
 */
export const shutdown = {
  /** Requests in flight, counted from the start of the shutdown. Their connections are then closed. */
  requestsMs: 2000,
  /** Messages in flight, concurrently with the requests. */
  messagesMs: 2200,
  /** The relay: a running read, then acknowledgements, then the deletion of acknowledged rows, then the release of its ids. */
  relayReadMs: 400,
  relayAcknowledgementsMs: 800,
  relayRemovalMs: 300,
  relayReleaseMs: 300,
  /** The Kafka clients, which have little left to do: the consumer's last commit and leaving the group; the producer. */
  consumerMs: 2000,
  producerMs: 1800,
  /** Concurrently with them: the producer of requests and replies, and the readers of replies. */
  replyProducerMs: 1000,
  requestReplyMs: 4000,
  poolsMs: 400,
  /** Writing the last log lines while standard output is not read. */
  logMs: 300
}
