import { announce, startAnnounced } from '@pair/kafka/announced-process'

/** Result of one competitor in one round. */
export interface Figures {
  rate?: number
  p50Ms?: number
  p99Ms?: number
  cpuUs?: number
  rssMb?: number
  heldMs?: number
  /** Reason why the round does not count. */
  void?: string | undefined
  [more: string]: unknown
}

export interface Competitor {
  name: string
  /** Difference of its work from the others'. */
  note?: string | undefined
  run: (round: number) => Promise<Figures>
}

/** The medians of a competitor's rounds. */
export interface Row { name: string, note?: string, void?: string, rate: number, ratio: number, spread: string, [figure: string]: unknown }

export interface Table { title: string, unit: string, rows: Row[] }

interface Turns { title: string, unit?: string, rounds: number, competitors: Competitor[], progress: (text: string) => void }

/** Lets competitors take turns, in another order each round, and takes medians. */
export async function takeTurns ({ title, unit = 'messages/s', rounds, competitors, progress }: Turns): Promise<Table> {
  const figures = new Map<string, Figures[]>(competitors.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < competitors.length; turn++) {
      const { name, run } = competitors[(turn + round) % competitors.length] as Competitor
      progress(`${title}: round ${round + 1} of ${rounds}, ${name} …`)
      figures.get(name)?.push(await run(round).catch(error => ({ void: String(error.message).replace(/\n.*/s, '') })))
    }
  }
  const rows = competitors.map(({ name, note }) => summary(name, note, figures.get(name) ?? []))
  const first = rows[0]?.rate ?? NaN
  return { title, unit, rows: rows.map(row => ({ ...row, ratio: row.rate / first })) }
}

function summary (name: string, note: string | undefined, all: Figures[]): Row {
  const good = all.filter(figures => figures.void === undefined)
  const wrong = all.find(figures => figures.void !== undefined)?.void
  const keys = [...new Set(good.flatMap(figures => Object.keys(figures)))]
  const medians = Object.fromEntries(keys.map(key => [key, median(good.map(figures => Number(figures[key])))]))
  return {
    name,
    ...note && { note },
    ...wrong && { void: wrong },
    rate: NaN,
    ...medians,
    ratio: NaN,
    spread: spread(good.map(({ rate }) => Number(rate)))
  }
}

/** Half the range of the rates as a share of their median; empty where there is no share: one round, a median of 0. */
function spread (rates: number[]): string {
  const share = (Math.max(...rates) - Math.min(...rates)) / 2 / median(rates)
  return rates.length > 1 && Number.isFinite(share) ? `±${Math.round(share * 100)} %` : ''
}

function median (numbers: number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? Number(sorted[middle]) : (Number(sorted[middle - 1]) + Number(sorted[middle])) / 2
}

/**
 * Runs a script of this folder in a child process and returns its result.
 *
 * @param job what to do, as JSON
 */
export async function inProcess<Result extends object = Figures> (script: string, job: object, limitS = 120): Promise<Result> {
  const worker = await startWorker<Result>(script, job, AbortSignal.timeout(limitS * 1000)).catch(error => {
    throw error.name === 'AbortError' ? new Error(`no result after ${limitS} s`, { cause: error }) : error
  })
  await worker.close()
  return worker.announced
}

/** Starts a script of this folder in a child process, which announces itself and runs until it is closed. */
export async function startWorker<Answer extends object> (script: string, job: object, signal?: AbortSignal) {
  const { child, announced, ended } = await startAnnounced<Answer>(script, new URL(script, import.meta.url), [JSON.stringify(job)], signal)
  return { announced, close: async () => { child.kill('SIGKILL'); await ended } }
}

/** The child's side of both: sends the task's result. */
export const answerWith = <Job>(task: (job: Job) => Promise<object>): Promise<void> => announce(() => task(JSON.parse(String(process.argv[2]))))

/** CPU time of this process during some work, and its peak memory. */
export function usage () {
  const before = process.cpuUsage()
  return (count: number) => {
    const { user, system } = process.cpuUsage(before)
    return { cpuUs: (user + system) / count, rssMb: process.resourceUsage().maxRSS / 1024 }
  }
}
