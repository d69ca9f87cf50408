import { setTimeout } from 'node:timers/promises'
import { Admin } from './admin.js'
import { KafkaError } from './errors.js'
import { isRefusal } from './refusals.js'
import { loggerOf } from './logger.js'
import type { ClientOptions } from './client-options.js'
import type { Logger, TopicDeclaration } from './types.js'

/** Limit of one call in ms, short because a call occupies a thread of libuv's pool, for which a process that ends waits. */
const callLimitMs = 2000
const firstPauseMs = 500
const longestPauseMs = 10_000

/** Answers that another attempt does not change: topics are created by an operator here, or by the broker on first use. */
const permanentRefusals = new Set([
  'ERR_POLICY_VIOLATION', 'ERR_UNSUPPORTED_VERSION', 'ERR_INVALID_CONFIG', 'ERR_INVALID_PARTITIONS', 'ERR__UNSUPPORTED_FEATURE', 'ERR__INVALID_ARG'
])

/** What earlier attempts have left, by the names of topics. */
interface Attempts {
  /** Logged as topics that cannot be created here. */
  refused: Set<string>
  /** Creation was requested and not answered, so the broker may create the topic later. */
  unanswered: Set<string>
}

/**
 * Creates the topics that are missing, with the broker's default replication, and leaves existing ones alone (one
 * warning where the number of partitions differs). Meant for the background: retries every 0.5 to 10 s until the broker has
 * answered or `signal` is aborted, and rejects only where the options name no broker. Where the right to create a topic is
 * missing, logs one line for each topic and retries until the right is granted or the topic exists.
 */
export async function provisionTopics (options: ClientOptions, topics: TopicDeclaration[], { logger = loggerOf({}), signal }: {
  logger?: Logger
  signal?: AbortSignal
} = {}): Promise<void> {
  let missing = topics
  const attempts: Attempts = { refused: new Set(), unanswered: new Set() }
  const admin = new Admin(options, callLimitMs)
  for (let pauseMs = firstPauseMs; missing.length > 0 && !signal?.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      const existing = (await admin.metadata()).topics // all topics: a request for one name would create it
      for (const { name, partitions } of missing) {
        const found = existing.get(name)?.partitionsCount
        if (found === undefined) continue
        if (attempts.unanswered.has(name)) logger.info({ topic: name, partitions: found }, 'kafka: topic created')
        if (found !== partitions) logger.warn({ topic: name, partitions: found, declared: partitions }, 'kafka: the topic has another number of partitions than declared')
      }
      missing = missing.filter(({ name }) => !existing.has(name))
      const created = await Promise.all(missing.map(async topic => await create(admin, topic, attempts, logger)))
      missing = missing.filter((_topic, index) => !created[index])
    } catch (error) {
      logger.debug({ err: error }, 'kafka: topics not checked yet')
    }
    if (missing.length > 0) await setTimeout(pauseMs, undefined, signal && { signal }).catch(() => {})
  }
}

/** Returns whether the topic needs no further attempt. */
async function create (admin: Admin, { name, partitions, config = {} }: TopicDeclaration, { refused, unanswered }: Attempts, logger: Logger): Promise<boolean> {
  const logCreated = () => logger.info({ topic: name, partitions }, 'kafka: topic created')
  try {
    await admin.createTopics({ topics: [name], partitions, configs: Object.entries(config).map(([name, value]) => ({ name, value })) })
    logCreated()
    return true
  } catch (cause) {
    const error = KafkaError.from(cause)
    const { codeName } = error
    if (codeName === 'ERR_TOPIC_ALREADY_EXISTS') {
      if (unanswered.has(name)) logCreated()
      return true
    }
    // A busy Kafka answers late. librdkafka's mock cluster never answers this request; it creates a topic when asked for it by name.
    const isUnanswered = codeName === 'ERR__TIMED_OUT' || codeName === 'ERR__TIMED_OUT_QUEUE'
    if (isUnanswered) {
      unanswered.add(name)
      if ((await admin.metadata()).topics.has(name)) {
        logCreated()
        return true
      }
    }
    if (!isUnanswered && !isRefusal(error) && !permanentRefusals.has(codeName)) return false
    // Asking by name may create the topic, as its first use would. Not after a refusal: where the right has just been granted, the
    // topic would get the broker's number of partitions.
    const isThere = !isRefusal(error) && (await admin.metadata({ topics: [name] })).topics.has(name)
    if (isUnanswered && !isThere) return false // a busy broker may need more than one request
    if (!refused.has(name)) logger.info({ topic: name, reason: codeName }, 'kafka: the topic cannot be created here, left to the broker')
    refused.add(name)
    return !isRefusal(error)
  }
}
