// Numbers that depend on each other. limits.test.ts holds that they add up.

/** Handlers that run at once, where a service says nothing else; each takes a connection. */
export const handlersAtOnce = 10

/** Connections for requests. What else waits for one waits its turn, or is told of overload. */
export const requestConnections = 10

/** Connections for the service's own work beside its handlers: the relay's leases, reads and removals, the probe, the count for /metrics. */
export const otherWorkConnections = 4

/** Connections for the service's own work. More consumers than one make it more. */
export const workConnections = handlersAtOnce + otherWorkConnections

/** Items of a batch that are stored alone at once: half of the connections, so that they never take all. */
export const aloneAtOnce = Math.floor(requestConnections / 2)

/** Connections that a consumer takes at most: one for each handler that runs, or for a batch and what is stored alone beside it. */
export function connectionsOf ({ concurrency = handlersAtOnce, handleBatch }: { concurrency?: number, handleBatch?: unknown }): number {
  return handleBatch === undefined ? concurrency : aloneAtOnce + 1
}

/** Messages that the client hands out without a commit, at most: `permitLimit` of @pair/kafka, which is for strangers too and takes no limit from here. */
export const messagesInFlight = 250

/** Items of a batch, at most: above the messages in flight, so that a batch is never what holds them up. */
export const maxBatch = 500

/** How long a caller waits for a connection, in ms. With the time for an answer it is less than the 2 s in which a caller hears. */
export const waitForConnectionMs = 800

/** For an answer, in ms: a server that is silent. */
export const answerTimeoutMs = 1100

/** For a statement, in ms: the server stops working on what nobody waits for any more. */
export const statementTimeoutMs = 1000

/** For a new connection, in ms. */
export const connectTimeoutMs = 5000

/** The relay: how often it renews its lease and reads the topics that wait, and how long a lease lasts without. Three renewals may fail. */
export const relay = { scanEveryMs: 1000, leaseS: 5 }

/** What the relay holds of a topic in memory, at most, and what a read adds to it. A read begins at half of what one brings, and so goes beyond it. */
export const relayMemory = { maxRows: 10_000, maxBytes: 32 * 1024 * 1024, readRows: 1000, readBytes: 8 * 1024 * 1024 }

/**
 * The steps of a shutdown, each with its longest time in ms, in the order in which they are done (`buildService` says why).
 * Together they are less than the default of SHUTDOWN_GRACE_MS, whatever does not answer. That is less than what the launcher
 * and Compose (`stop_grace_period`) give a service.
 */
export const shutdown = {
  /** Requests, from the first moment. What has not ended by then loses its connection. */
  requestsMs: 2000,
  /** Messages in flight, beside the requests. */
  messagesMs: 2200,
  /** The relay: a read under way, then acknowledgements and removals, then giving back its ids. */
  relayReadMs: 400,
  relayAcknowledgementsMs: 800,
  relayReleaseMs: 300,
  /** Kafka's clients, which have little left to do by then: the consumer's last commit and leaving the group; the producer. */
  consumerMs: 2000,
  producerMs: 1800,
  /** Beside them: the producer of requests and replies, and the readers of replies. */
  replyProducerMs: 1000,
  requestReplyMs: 4000,
  poolsMs: 400,
  /** The last lines of the log, where standard output takes none. */
  logMs: 300
}
