import type { Bench } from '../bench.js'
import { openPair } from '../pair.js'
import { inProcess, takeTurns } from '../rounds.js'

const perSecond = 500

/** Time from the registration to the first response with the profile. */
export async function * compare (bench: Bench) {
  yield await takeTurns({
    title: `register to profile visible, ${perSecond} a second`,
    unit: 'registrations/s',
    rounds: bench.rounds,
    progress: bench.progress,
    competitors: [{
      name: 'the pair as shipped',
      note: 'one registration in 20 is looked for, again and again, until its profile is there; the first 5 s, in which both services compile their code, are left out',
      run: async () => {
        const pair = await openPair(bench)
        try {
          return await inProcess('./latency-worker.js', { user: pair.user.url, profile: pair.profile.url, perSecond, seconds: bench.isQuick ? 3 : 15 })
        } finally {
          await pair.close()
        }
      }
    }]
  })
}
