import { setTimeout } from 'node:timers/promises'
import rdkafka from 'node-rdkafka'
import { KafkaError } from './errors.js'
import { withTimeout, connect } from './handle.js'
import { configure } from './options.js'
import { isRefusal } from './refusals.js'
import { loggerOf } from './logger.js'
import type { ClientOptions, Logger, TopicDeclaration } from './types.js'

/** Both calls keep a thread of the pool busy while the broker is away, and a process that ends waits for it. */
const callLimitMs = 2000
const firstPauseMs = 500
const longestPauseMs = 10_000

/** Answers that mean "not here, and not by waiting" (as a missing right, which may still be given): somebody else creates topics, or the broker does on first use. */
const cannot = new Set([
  'ERR_POLICY_VIOLATION', 'ERR_UNSUPPORTED_VERSION', 'ERR_INVALID_CONFIG', 'ERR_INVALID_PARTITIONS', 'ERR__UNSUPPORTED_FEATURE', 'ERR__INVALID_ARG'
])

/**
 * Creates the topics that are missing, with the broker's default replication, and leaves existing ones alone (one
 * warning where the number of partitions differs). Meant for the background: tries again, every 0.5 to 10 s, until the
 * broker has answered or `signal` is aborted, and never rejects. A missing right to create them is one line for each; it is
 * tried again, too, until somebody has given it or created them.
 */
export async function provisionTopics (options: ClientOptions, topics: TopicDeclaration[], { logger = loggerOf({}), signal }: {
  logger?: Logger
  signal?: AbortSignal
} = {}): Promise<void> {
  let missing = topics
  const refused = new Set<string>()
  for (let pauseMs = firstPauseMs; missing.length > 0 && !signal?.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      const existing = await metadata(options, { allTopics: true }) // asking for one by name would create it
      for (const { name, partitions } of missing) {
        const found = existing.get(name)
        if (found !== undefined && found !== partitions) {
          logger.warn({ topic: name, partitions: found, declared: partitions }, 'kafka: the topic has another number of partitions than declared')
        }
      }
      missing = missing.filter(({ name }) => !existing.has(name))
      const created = await Promise.all(missing.map(async topic => await create(options, topic, refused, logger)))
      missing = missing.filter((_topic, index) => !created[index])
    } catch (error) {
      logger.debug({ err: error }, 'kafka: topics not checked yet')
    }
    if (missing.length > 0) await setTimeout(pauseMs, undefined, signal && { signal }).catch(() => {})
  }
}

/** Names and numbers of partitions. */
async function metadata (options: ClientOptions, about: { allTopics: true } | { topic: string }): Promise<Map<string, number>> {
  const handle = new rdkafka.Producer({ ...configure(options, {}).global })
  const getMetadata = handle.getMetadata.bind(handle)
  await connect(handle)
  try {
    return await new Promise((resolve, reject) => getMetadata({ ...about, timeout: callLimitMs } as object, (error, found) => {
      if (error) reject(KafkaError.from(error))
      else resolve(new Map(found.topics.map(({ name, partitions }) => [name, partitions.length])))
    }))
  } finally {
    await withTimeout(callLimitMs, done => handle.disconnect(0, done))
  }
}

/** Whether the topic needs no further try. Names those that may not be created in `refused`. */
async function create (options: ClientOptions, { name, partitions, config = {} }: TopicDeclaration, refused: Set<string>, logger: Logger): Promise<boolean> {
  const admin = rdkafka.AdminClient.create({ ...configure(options, {}).global })
  try {
    await new Promise<void>((resolve, reject) => admin.createTopic(
      { topic: name, num_partitions: partitions, replication_factor: -1, config }, callLimitMs, error => error ? reject(KafkaError.from(error)) : resolve()))
    logger.info({ topic: name, partitions }, 'kafka: topic created')
    return true
  } catch (cause) {
    const error = KafkaError.from(cause)
    const { codeName } = error
    if (codeName === 'ERR_TOPIC_ALREADY_EXISTS') return true
    // It lists topics and does not answer this: librdkafka's mock cluster, which makes topics on first use. Or a busy Kafka.
    const isMock = codeName === 'ERR__TIMED_OUT' || codeName === 'ERR__TIMED_OUT_QUEUE'
    if (isMock && (await metadata(options, { allTopics: true })).has(name)) {
      logger.info({ topic: name, partitions }, 'kafka: topic created')
      return true
    }
    if (!isMock && !isRefusal(error) && !cannot.has(codeName)) return false
    // Asking by name may make it, as the first use of it would; where the right has just been given, with the broker's number of partitions.
    const isThere = !isRefusal(error) && Boolean((await metadata(options, { topic: name })).get(name))
    if (isMock && !isThere) return false // on a busy machine not always the first time
    if (!refused.has(name)) logger.info({ topic: name, reason: codeName }, 'kafka: the topic cannot be created here, left to the broker')
    refused.add(name)
    return !isRefusal(error)
  } finally {
    admin.disconnect()
  }
}
