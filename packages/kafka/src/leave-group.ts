import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Assignment } from './assignment.js'
import type { AttachedConsumer } from './attached-consumer.js'

/** When an ended handle is freed in the background, in ms: where the coordinator answered, and where no broker did. */
const [freeMs, freeUnansweredMs] = [1000, 30_000]

/** The parts of a consumer's handle that its end needs. */
export interface Member {
  consumer: AttachedConsumer
  assignment: Assignment
  /** Any topic of the subscription; undefined without a subscription. */
  topic: string | undefined
  /** Has a `group.instance.id`: must not leave, because its next process takes its place. */
  isStatic: boolean
  /** Settles when the read loop has ended, which it does once `assignment.isClosed`. */
  reading: Promise<void> | undefined
  /** Settles when the latest assignment is in place. */
  placed: Promise<unknown>
}

interface Limits {
  /** For each answer of the coordinator, in ms; undefined waits for none. */
  answerMs?: number
  /** For giving up the partitions, in ms. */
  leaveMs: number
}

/** Stores what was committed, stops reading, and leaves the group if that takes no longer than the limits. */
export async function leaveGroup ({ consumer, assignment, topic, isStatic, reading, placed }: Member, { answerMs, leaveMs }: Limits): Promise<void> {
  assignment.isClosed = true
  consumer.condition.check()
  await reading
  const isConnected = consumer.handle.isConnected()
  if (isConnected) assignment.storeOffsets()
  const isIdle = assignment.partitions.length === 0
  let isGivenUp = isConnected && await isSettled(placed, leaveMs)
  if (isGivenUp && isStatic) assignment.commitStored()
  else if (isGivenUp) isGivenUp = await giveUp(consumer, assignment, leaveMs)
  // librdkafka sends LeaveGroup after the answer to the last commit. The first of these requests follows that commit, the second
  // one LeaveGroup; so both have reached the broker when the second answer is there.
  const isLeft = isGivenUp && answerMs !== undefined && await isAnswered(consumer, topic, answerMs) && await isAnswered(consumer, topic, answerMs)
  consumer.stop()
  // Freed, because an open handle keeps the process alive. In a thread of libuv's pool, because freeing waits for a broker that is
  // away, and late, because a process that ends waits for that thread: one that calls process.exit has ended by then.
  if (isGivenUp) setTimeout(isLeft || isIdle ? freeMs : freeUnansweredMs).then(() => consumer.disconnect(0))
}

/** Unsubscribes, on which librdkafka commits and leaves the group. Returns whether all partitions were given up in time. */
async function giveUp (consumer: AttachedConsumer, assignment: Assignment, limitMs: number): Promise<boolean> {
  consumer.handle.unsubscribe()
  while (!consumer.read().isEmptied); // serves the rebalance callback
  await setImmediate()
  return await assignment.givenUp(limitMs)
}

/** Returns whether the group's coordinator answers within the limit. */
async function isAnswered (consumer: AttachedConsumer, topic: string | undefined, limitMs: number): Promise<boolean> {
  if (topic === undefined) return true
  return await new Promise(resolve => consumer.handle.committed([{ topic, partition: 0 }], limitMs, error => resolve(!error)))
}

const isSettled = async (promise: Promise<unknown>, limitMs: number) => await Promise.race([promise.then(() => true), setTimeout(limitMs, false, { ref: false })])
