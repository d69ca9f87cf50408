/** Random numbers that a seed brings back (mulberry32). */
export function seeded (seed: number) {
  let state = seed >>> 0
  const number = () => {
    state = (state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    within: ([from, to]: readonly [from: number, to: number]) => Math.round(from + number() * (to - from)),
    /** @param things at least one */
    pick: <Thing>(things: readonly Thing[]) => things[Math.floor(number() * things.length)] as Thing
  }
}
