import { setTimeout as delay } from 'node:timers/promises'
import { seeded } from './random.js'

/**
 * @typedef {{ what: string, forMs: readonly [number, number], run: (forMs: number) => Promise<unknown> }} Kind
 * @typedef {{ atMs: number, forMs: number, what: string, run: () => Promise<unknown> }} Fault
 *
 * @typedef {object} Parts
 * @property {import('./service.js').Instance} user
 * @property {import('./service.js').Instance[]} profiles the first one is always there, the others come and go
 * @property {import('./servers.js').TestBroker} broker
 * @property {import('./servers.js').TestDatabase} users
 * @property {import('./servers.js').TestDatabase} profileData
 * @property {import('./events.js').Events} events
 * @property {import('./load.js').World} world
 */

/**
 * What will happen, and when: the same for the same seed. Each part has faults of its own, one after the other; those of
 * different parts overlap.
 *
 * @param {number} seed
 * @param {number} seconds
 * @param {Parts} parts
 * @returns {Fault[]}
 */
export function plan (seed, seconds, parts) {
  const random = seeded(seed)
  const faults = timelines(parts).flatMap(({ gapMs, kinds }) => {
    const own = []
    for (let atMs = random.within(gapMs) / 2; kinds.length > 0;) {
      const kind = random.pick(kinds)
      const forMs = random.within(kind.forMs)
      if (atMs + forMs > seconds * 1000) break
      own.push({ atMs, forMs, what: kind.what, run: () => kind.run(forMs) })
      atMs += forMs + random.within(gapMs)
    }
    return own
  })
  faults.push({ atMs: seconds * 600, forMs: 1000, what: 'both services: kill -9 of every instance at once', run: () => allAtOnce(parts) })
  return faults.sort((one, other) => one.atMs - other.atMs)
}

/** @param {Parts} parts */
async function allAtOnce ({ user, profiles }) {
  const [first, ...others] = profiles
  await Promise.all([user.bounce('SIGKILL', 1000), first?.bounce('SIGKILL', 1000), ...others.map(profile => profile.end('SIGKILL'))])
}

/**
 * @param {Parts} parts
 * @returns {Array<{ gapMs: readonly [number, number], kinds: Kind[] }>}
 */
function timelines ({ user, profiles, broker, users, profileData, events, world }) {
  const [first, ...others] = profiles
  // Giving a broker back may take longer than planned: the next fault waits for that.
  let last = Promise.resolve(/** @type {unknown} */ (undefined))
  const inTurn = (/** @type {Kind['run']} */ run) => (/** @type {number} */ forMs) => (last = last.then(() => run(forMs), () => run(forMs)))
  const timeline = (/** @type {readonly [number, number]} */ gapMs, /** @type {Kind[]} */ ...kinds) => ({ gapMs, kinds })
  return [
    timeline([8_000, 25_000], ...bounces(user)),
    timeline([8_000, 25_000], ...first ? bounces(first) : []),
    ...others.map(profile => timeline([4_000, 20_000], ...visits(profile))),
    timeline([15_000, 40_000], ...broker.ways.map(({ what, away, back }) => ({
      what: `the broker: ${what}`, forMs: /** @type {const} */ ([1_000, 15_000]), run: inTurn(while_(away, back, isAway => { world.isBrokerAway = isAway }))
    }))),
    timeline([15_000, 40_000], ...outages(users, 'user', isAway => { world.isUserDatabaseAway = isAway })),
    timeline([15_000, 40_000], ...outages(profileData, 'profile', () => {})),
    timeline([3_000, 12_000],
      { what: 'bad events', forMs: [0, 0], run: () => events.putBad() },
      { what: 'the same event several times', forMs: [0, 0], run: () => events.putTwice(false) },
      { what: 'the same event on several partitions', forMs: [0, 0], run: () => events.putTwice(true) })
  ]
}

/**
 * @param {import('./service.js').Instance} instance
 * @returns {Kind[]}
 */
const bounces = instance => [
  { what: `${instance.name}: kill -9, started again`, forMs: [0, 5_000], run: ms => instance.bounce('SIGKILL', ms) },
  { what: `${instance.name}: SIGTERM, started again`, forMs: [0, 5_000], run: ms => instance.bounce('SIGTERM', ms) }
]

/**
 * @param {import('./service.js').Instance} instance
 * @returns {Kind[]}
 */
const visits = instance => [
  { what: `${instance.name}: joins, leaves by kill -9`, forMs: [2_000, 20_000], run: ms => instance.visit('SIGKILL', ms) },
  { what: `${instance.name}: joins, leaves by SIGTERM`, forMs: [2_000, 20_000], run: ms => instance.visit('SIGTERM', ms) }
]

/**
 * @param {import('./servers.js').TestDatabase} database
 * @param {string} name
 * @param {(isAway: boolean) => void} tell
 * @returns {Kind[]}
 */
const outages = ({ proxy }, name, tell) => /** @type {const} */ (['cut', 'frozen']).map(how => ({
  what: `the ${name} database: ${how}`, forMs: [1_000, 12_000], run: while_(() => proxy.set(how), () => proxy.set('open'), tell)
}))

/**
 * @param {() => unknown} away
 * @param {() => unknown} back
 * @param {(isAway: boolean) => void} tell
 */
const while_ = (away, back, tell) => async (/** @type {number} */ forMs) => {
  await away()
  tell(true)
  try {
    await delay(forMs)
  } finally {
    tell(false)
    await back()
  }
}
