import { constants } from 'node:os'

const sameMs = 500

/**
 * A terminal's Ctrl-C goes to npm and to this process, and npm passes it on: it comes twice, and would pass for the second
 * one of an impatient user, who gets a forced end. From now on the same signal counts once within half a second.
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
 * From now on a signal ends this process, unless somebody else listens to it by then: as it would without any listener, but
 * as the first process of a container, too, where the kernel drops what nobody listens to. The listeners stay, so that there
 * is no moment without one while a script changes its own.
 */
export function endWhileAlone () {
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP'])) {
    const end = () => {
      if (process.listenerCount(signal) > 1) return
      process.off(signal, end)
      process.kill(process.pid, signal)
      process.exit(128 + constants.signals[signal]) // the kernel has dropped it
    }
    process.on(signal, end)
  }
}
