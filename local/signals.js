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
