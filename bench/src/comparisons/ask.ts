import { randomUUID } from 'node:crypto'
import type { Bench } from '../bench.js'
import { inProcess, startWorker, takeTurns } from '../rounds.js'

/** Time from `app.ask` to its reply: two services, each in its own process. */
export async function * compare (bench: Bench) {
  for (const perSecond of [20, 500]) {
    yield await takeTurns({
      title: `ask to reply, ${perSecond} a second`,
      unit: 'asks/s',
      rounds: bench.rounds,
      progress: bench.progress,
      competitors: [{
        name: 'app.ask and app.answer',
        note: 'nothing else runs; the first 3 s, in which both services compile their code, are left out',
        run: () => round(bench, perSecond)
      }]
    })
  }
}

async function round ({ broker, isQuick }: Bench, perSecond: number) {
  const topic = `bench-${randomUUID()}`
  const job = { topic, brokers: broker.brokers, isReal: broker.isReal, perSecond, seconds: isQuick ? 5 : 20 }
  const answerer = await startWorker('./ask-worker.js', { role: 'answer', ...job })
  try {
    return await inProcess('./ask-worker.js', { role: 'ask', ...job })
  } finally {
    await answerer.close()
    for (const name of [topic, `${topic}.reply`, `${topic}.dlq`]) await broker.deleteTopic(name)
  }
}
