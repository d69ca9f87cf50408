import type { Pool } from 'pg'
import type { Message } from '@pair/kafka'
import { SharedLock } from '../concurrency/shared-lock.js'
import { idOf, Marks } from './marks.js'

/** From the third assignment on that begins at the same message, a partition is stepped through. */
const assignmentsWithoutProgress = 3

/**
 * What a death weighs. A handler that kills its process does so soon, or keeps the event loop from turning until somebody
 * ends the process. One that waits lets the loop turn: its death is more likely somebody else's doing, and after a second
 * its mark is taken back. Three of the first kind are a crash, or nine of the second. A death or an assignment without a mark,
 * in this partition or another one of the process, takes back 1.
 */
const weights = { soon: 3, later: 1, crashed: 9 }
const soonMs = 50
const withdrawnAfterMs = 1000
/** How long handlers wait at most for the end of a message that has crashed. */
const quietMs = 3000

/**
 * A process that is killed again and again some time after its start would hit the same mark each time. So the suspect waits
 * for a time that is another one in each process, and at most so long.
 */
const longestHoldBackMs = 10_000

/** What an assignment begins with. */
export interface Verdict {
  /** The partition is to be stepped through, one message at a time. */
  isStepped: boolean
  /** Whether the process has died so often while it handled this message alone that it is to blame. */
  hasCrashed: (message: Message) => boolean
  /** How long this message has to wait before it is handled, in ms: 0 but for the one at which the process died last. */
  holdBackMs: (message: Message) => number
}

/**
 * Finds the message whose handling kills the process. Where a partition makes no progress over three assignments, its
 * messages are handled one at a time, each alone in the whole process and marked in the database meanwhile. So a mark that
 * the next owner finds names the one message that was being handled when the process died. A process that is killed from
 * outside dies with a mark only by chance, and with that of the same message three times hardly ever.
 *
 * Not found is a handler that kills its process later than a second after its start, while the event loop turns.
 */
export class CrashGuard {
  readonly #marks: Marks
  readonly #lock = new SharedLock()
  readonly #holdBackMs: number
  /** Those whose mark may be in the database. */
  readonly #marked = new WeakSet<Message>()

  constructor (pool: Pick<Pool, 'query'>, random = Math.random) {
    this.#marks = new Marks(pool)
    this.#holdBackMs = random() * longestHoldBackMs
  }

  /** @param first the first message of a partition after its assignment */
  async assigned (first: Message): Promise<Verdict> {
    const { assignments, suspect, suspicion } = await this.#marks.assigned(first)
    const isSuspect = (message: Message) => suspicion > 0 && idOf(message) === suspect
    return {
      isStepped: assignments >= assignmentsWithoutProgress || suspicion > 0,
      hasCrashed: message => suspicion >= weights.crashed && isSuspect(message),
      holdBackMs: message => isSuspect(message) ? this.#holdBackMs : 0
    }
  }

  /**
   * Runs a handler beside others, and never beside one that is marked.
   *
   * @param message was handled alone before
   * @throws what the database has thrown where its mark was left, and cannot be taken back now either
   */
  async beside<Result> (task: () => Promise<Result>, message?: Message): Promise<Result> {
    if (message && this.#marked.has(message)) await this.#unmark(message)
    return await this.#lock.shared(task)
  }

  /**
   * Runs a message's handler alone, and marked. The mark is gone when this resolves or rejects, and sooner where the handler
   * waits for long; others go on then. Where the database is away meanwhile, it may be left.
   *
   * @param options.signal the handler is not run once it is aborted
   * @param options.onUnmarked called when others may run
   * @param options.started resolves when the handler begins, behind what the database takes to begin a transaction; left out,
   * at once
   */
  async alone<Result> (message: Message, task: () => Promise<Result>, { signal, onUnmarked, started }: { signal?: AbortSignal, onUnmarked?: () => void, started?: Promise<void> } = {}): Promise<Result> {
    const { running } = await this.#lock.exclusive(async () => {
      signal?.throwIfAborted()
      this.#marked.add(message)
      await this.#marks.set(message, weights.soon)
      const running = task()
      // However long that takes: each statement has its time limit.
      if (started) await Promise.race([started, running]).catch(() => {})
      if (!await settled(running, soonMs)) {
        await this.#marks.set(message, weights.later).catch(() => {})
        await settled(running, withdrawnAfterMs - soonMs)
      }
      await this.#unmark(message).catch(() => {}) // says nothing of the handler's work, which may be done
      return { running } // not awaited here: from now on others may run
    }, withdrawnAfterMs).finally(onUnmarked)
    return await running
  }

  /**
   * Passes a message that has crashed. For up to 3 s no handler runs meanwhile: one that ends the process would bring the
   * message back.
   */
  async withoutHandlers (task: () => Promise<void>): Promise<void> {
    const { running } = await this.#lock.exclusive(async () => {
      const running = task()
      await settled(running, quietMs)
      return { running }
    }, withdrawnAfterMs)
    await running
  }

  async #unmark (message: Message): Promise<void> {
    await this.#marks.clear(message)
    this.#marked.delete(message)
  }
}

/** Resolves when a task has ended, or after that time. @returns whether it has ended; never rejects */
async function settled (task: Promise<unknown>, withinMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => { timer = setTimeout(resolve, withinMs, false) })
  const isOver = await Promise.race([task.then(() => true, () => true), late])
  clearTimeout(timer)
  return isOver
}
