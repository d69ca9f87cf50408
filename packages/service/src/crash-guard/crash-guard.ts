import type { Pool } from 'pg'
import type { Message } from '@pair/kafka'
import { SharedLock } from '../concurrency/shared-lock.js'
import { idOf, Marks } from './marks.js'

/** A partition is stepped through from the third assignment in a row that begins at the same message. */
const assignmentsWithoutProgress = 3

/**
 * Weight of a process's death while a message is marked. A handler that kills its process does so within 50 ms (`soon`), or
 * blocks the event loop until the process is killed from outside. If the event loop runs, the cause is probably another one:
 * the mark gets the weight `later`, and is removed after a second. A message counts as crashed at 9: after three deaths of
 * weight `soon`, or nine of weight `later`. A death or an assignment without a mark in any partition of the process subtracts 1.
 */
const weights = { soon: 3, later: 1, crashed: 9 }
const soonMs = 50
const withdrawnAfterMs = 1000
/** The longest time in ms that other handlers wait while a crashed message is dead-lettered. */
const quietMs = 3000

/**
 * Longest delay in ms before the suspect is handled. A process that is killed repeatedly at the same age would die at the same
 * mark each time, so the delay is random for each process.
 */
const longestHoldBackMs = 10_000

/** What the crash guard knows of a partition at its assignment. */
export interface Verdict {
  /** Whether the partition must be processed one message at a time. */
  isStepped: boolean
  /** Whether processes died often enough while handling only this message to blame it. */
  hasCrashed: (message: Message) => boolean
  /** Delay in ms before this message is handled: 0 except for the suspect, the message at which a process died last. */
  holdBackMs: (message: Message) => number
}

/**
 * Finds the message whose handling kills the process. If a partition makes no progress over three assignments, its messages
 * are handled one at a time: no other handler runs in the process, and the message is marked in the database meanwhile. So a
 * mark that the next owner finds names the one message that was being handled when the process died. A process that is killed
 * from outside rarely dies with a mark, and hardly ever three times with that of the same message.
 *
 * The crash guard does not find a handler that kills its process later than a second after its start while the event loop runs.
 */
export class CrashGuard {
  readonly #marks: Marks
  readonly #lock = new SharedLock()
  readonly #holdBackMs: number
  /** Messages whose mark may still be in the database. */
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
   * Runs a handler concurrently with others, but never while a marked one runs.
   *
   * @param message a message that was handled exclusively before
   * @throws the database's error, if the message's mark is still there and cannot be removed now either
   */
  async shared<Result> (task: () => Promise<Result>, message?: Message): Promise<Result> {
    if (message && this.#marked.has(message)) await this.#unmark(message)
    return await this.#lock.shared(task)
  }

  /**
   * Runs a message's handler while no other one runs, and marks the message in the database. The mark is removed before this
   * resolves or rejects, or after a second if the handler takes longer; then others may run. If the database is unreachable
   * meanwhile, the mark may stay.
   *
   * @param options.signal the handler does not run if it is aborted
   * @param options.onUnmarked called when other handlers may run
   * @param options.started resolves when the handler's own code begins, after the begin of its transaction; by default immediately
   */
  async exclusive<Result> (message: Message, task: () => Promise<Result>, { signal, onUnmarked, started }: { signal?: AbortSignal, onUnmarked?: () => void, started?: Promise<void> } = {}): Promise<Result> {
    const { running } = await this.#lock.exclusive(async () => {
      signal?.throwIfAborted()
      this.#marked.add(message)
      await this.#marks.set(message, weights.soon)
      const running = task()
      // Needs no time limit: each statement before the handler has one.
      if (started) await Promise.race([started, running]).catch(() => {})
      if (!await settled(running, soonMs)) {
        await this.#marks.set(message, weights.later).catch(() => {})
        await settled(running, withdrawnAfterMs - soonMs)
      }
      await this.#unmark(message).catch(() => {}) // the handler may have succeeded, so this error must not fail it
      return { running } // not awaited here: other handlers may run from now on
    }, withdrawnAfterMs).finally(onUnmarked)
    return await running
  }

  /**
   * Runs `task`, which dead-letters a crashed message, and for up to 3 s lets no handler run: one that kills the process would
   * bring the message back.
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

/** Resolves when a task has settled, or after `withinMs`. @returns whether it has settled; never rejects */
async function settled (task: Promise<unknown>, withinMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => { timer = setTimeout(resolve, withinMs, false) })
  const isOver = await Promise.race([task.then(() => true, () => true), late])
  clearTimeout(timer)
  return isOver
}
