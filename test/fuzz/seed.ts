import { randomInt } from 'node:crypto'
import { seeded } from '../chaos/src/random.js'

/** With the same seed the same things are sent: FUZZ_SEED, else another one each time. FUZZ_COUNT says how many. */
export const seed = Number(process.env.FUZZ_SEED ?? randomInt(1_000_000))
export const count = Number(process.env.FUZZ_COUNT ?? 5000)
export const settings = `FUZZ_SEED=${seed} FUZZ_COUNT=${count}`

export type Random = ReturnType<typeof seeded>

/** Random numbers of the n-th thing alone, so that it is the same one whatever the others do. */
export const randomOf = (n: number): Random => seeded(seed * 1_000_003 + n)
