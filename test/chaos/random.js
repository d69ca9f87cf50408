/**
 * Random numbers that a seed brings back (mulberry32).
 *
 * @param {number} seed
 */
export function seeded (seed) {
  let state = seed >>> 0
  const number = () => {
    state = (state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    /** @param {readonly [from: number, to: number]} range */
    within: ([from, to]) => Math.round(from + number() * (to - from)),
    /**
     * @template Thing
     * @param {readonly Thing[]} things at least one
     * @returns {Thing}
     */
    pick: things => /** @type {Thing} */ (things[Math.floor(number() * things.length)])
  }
}
