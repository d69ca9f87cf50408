import { setTimeout as delay } from 'node:timers/promises'
import type { Events } from './events.js'
import type { World } from './load.js'
import { seeded } from './random.js'
import type { TestBroker, TestDatabase } from './servers.js'
import type { Instance } from './service.js'

type Range = readonly [from: number, to: number]

/** What can happen to one part. */
interface Kind { what: string, forMs: Range, run: (forMs: number) => Promise<unknown> }

/** What will happen, and when, in ms from the start. */
interface Fault { atMs: number, forMs: number, what: string, run: () => Promise<unknown> }

interface Parts {
  readonly user: Instance
  /** The first one is always there, the others come and go. */
  readonly profiles: Instance[]
  readonly broker: TestBroker
  readonly users: TestDatabase
  readonly profileData: TestDatabase
  readonly events: Events
  readonly world: World
}

/**
 * What will happen, and when: the same for the same seed. Each part has faults of its own, one after the other; those of
 * different parts overlap.
 */
export function plan (seed: number, seconds: number, parts: Parts): Fault[] {
  const random = seeded(seed)
  const faults = timelines(parts).flatMap(({ gapMs, kinds }) => {
    const own: Fault[] = []
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

async function allAtOnce ({ user, profiles }: Parts) {
  const [first, ...others] = profiles
  await Promise.all([user.bounce('SIGKILL', 1000), first?.bounce('SIGKILL', 1000), ...others.map(profile => profile.end('SIGKILL'))])
}

function timelines ({ user, profiles, broker, users, profileData, events, world }: Parts): Array<{ gapMs: Range, kinds: Kind[] }> {
  const [first, ...others] = profiles
  // Giving a broker back may take longer than planned: the next fault waits for that.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = (run: Kind['run']) => (forMs: number) => (last = last.then(() => run(forMs), () => run(forMs)))
  const timeline = (gapMs: Range, ...kinds: Kind[]) => ({ gapMs, kinds })
  return [
    timeline([8_000, 25_000], ...bounces(user)),
    timeline([8_000, 25_000], ...first ? bounces(first) : []),
    ...others.map(profile => timeline([4_000, 20_000], ...visits(profile))),
    timeline([15_000, 40_000], ...broker.ways.map(({ what, away, back }) => ({
      what: `the broker: ${what}`, forMs: [1_000, 15_000] as const, run: inTurn(during(away, back, isAway => { world.isBrokerAway = isAway }))
    }))),
    timeline([15_000, 40_000], ...outages(users, 'user', isAway => { world.isUserDatabaseAway = isAway })),
    timeline([15_000, 40_000], ...outages(profileData, 'profile', () => {})),
    timeline([3_000, 12_000],
      { what: 'bad events', forMs: [0, 0], run: () => events.putBad() },
      { what: 'the same event several times', forMs: [0, 0], run: () => events.putTwice(false) },
      { what: 'the same event on several partitions', forMs: [0, 0], run: () => events.putTwice(true) })
  ]
}

const bounces = (instance: Instance): Kind[] => [
  { what: `${instance.name}: kill -9, started again`, forMs: [0, 5_000], run: ms => instance.bounce('SIGKILL', ms) },
  { what: `${instance.name}: SIGTERM, started again`, forMs: [0, 5_000], run: ms => instance.bounce('SIGTERM', ms) }
]

const visits = (instance: Instance): Kind[] => [
  { what: `${instance.name}: joins, leaves by kill -9`, forMs: [2_000, 20_000], run: ms => instance.visit('SIGKILL', ms) },
  { what: `${instance.name}: joins, leaves by SIGTERM`, forMs: [2_000, 20_000], run: ms => instance.visit('SIGTERM', ms) }
]

const outages = ({ proxy }: TestDatabase, name: string, tell: (isAway: boolean) => void): Kind[] => (['cut', 'frozen'] as const).map(how => ({
  what: `the ${name} database: ${how}`, forMs: [1_000, 12_000], run: during(() => proxy.set(how), () => proxy.set('open'), tell)
}))

const during = (away: () => unknown, back: () => unknown, tell: (isAway: boolean) => void) => async (forMs: number) => {
  await away()
  tell(true)
  try {
    await delay(forMs)
  } finally {
    tell(false)
    await back()
  }
}
