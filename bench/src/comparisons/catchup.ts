import type { Bench } from '../bench.js'
import { catchUp } from '../catching-up.js'
import { takeTurns } from '../rounds.js'

/** Handling a backlog of events. */
export async function * compare (bench: Bench) {
  const { broker, postgres, isQuick, only } = bench
  // The embedded broker keeps 5 MB for each partition.
  const counts = !broker.isReal ? [30_000] : isQuick ? [50_000] : [200_000, 1_000_000]
  for (const count of counts) {
    const title = `catching up, ${count.toLocaleString('en')} events`
    if (only && !title.includes(only)) continue
    yield await takeTurns({
      ...bench,
      title,
      unit: 'profiles/s',
      rounds: count >= 1_000_000 ? Math.ceil(bench.rounds / 5) : bench.rounds,
      competitors: [{
        name: 'profile service as shipped',
        note: 'each effect once, each message committed after it; "last tenth" against the first',
        run: async () => {
          const database = await postgres.newDatabase()
          try {
            return await catchUp(bench, count, database)
          } finally {
            await database.drop()
          }
        }
      }]
    })
  }
}
