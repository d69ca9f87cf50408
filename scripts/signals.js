import { constants } from 'node:os'

const sameMs = 500

/**
 * Counts the same signal once within 500 ms. Ctrl-C in a terminal signals npm and this process, and npm passes it on; the second
 * signal would count as a user's request for a forced end.
 */
export function countOnce () {
  /** @type {Map<unknown, number>} */
  const cameAt = new Map()
  const emit = process.emit
  /** @param {unknown[]} args */
  const once = (...args) => {
    const [name] = args
    if (typeof name === 'string' && name in constants.signals) {
      const before = cameAt.get(name) ?? -Infinity
      cameAt.set(name, performance.now())
      if (performance.now() - before < sameMs) return true
    }
    return Reflect.apply(emit, process, args)
  }
  process.emit = /** @type {typeof process.emit} */ (once)
}

/**
 * Ends this process on a signal to which no other listener is added. Without any listener Node does the same, but not as the first
 * process of a container, where the kernel drops signals without a listener. These listeners stay, so that there is always one while a
 * script replaces its own.
 */
export function endWhileAlone () {
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP'])) {
    const end = () => {
      if (process.listenerCount(signal) > 1) return
      process.off(signal, end)
      process.kill(process.pid, signal)
      process.exit(128 + constants.signals[signal]) // the kernel dropped the signal
    }
    process.on(signal, end)
  }
}
