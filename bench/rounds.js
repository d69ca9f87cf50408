import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * What one competitor did in one round.
 *
 * @typedef {{ rate?: number, p50Ms?: number, p99Ms?: number, cpuUs?: number, rssMb?: number, heldMs?: number, void?: string, [more: string]: unknown }} Figures
 *
 * @typedef {object} Competitor
 * @property {string} name
 * @property {string} [note] how its work differs
 * @property {(round: number) => Promise<Figures>} run
 *
 * @typedef {{ name: string, note?: string, void?: string, rate: number, ratio: number, spread: string } & Record<string, any>} Row
 */

/**
 * Lets competitors take turns, in another order each round, and takes medians.
 *
 * @param {{ title: string, unit?: string, rounds: number, competitors: Competitor[], progress: (text: string) => void }} options
 */
export async function takeTurns ({ title, unit = 'messages/s', rounds, competitors, progress }) {
  /** @type {Map<string, Figures[]>} */
  const figures = new Map(competitors.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < competitors.length; turn++) {
      const { name, run } = /** @type {Competitor} */ (competitors[(turn + round) % competitors.length])
      progress(`${title}: round ${round + 1} of ${rounds}, ${name} …`)
      figures.get(name)?.push(await run(round).catch(error => ({ void: String(error.message).replace(/\n.*/s, '') })))
    }
  }
  const rows = competitors.map(({ name, note }) => summary(name, note, figures.get(name) ?? []))
  const first = rows[0]?.rate ?? NaN
  return { title, unit, rows: rows.map(row => ({ ...row, ratio: row.rate / first })) }
}

/**
 * @param {string} name
 * @param {string | undefined} note
 * @param {Figures[]} all
 * @returns {Row}
 */
function summary (name, note, all) {
  const good = all.filter(figures => figures.void === undefined)
  const wrong = all.find(figures => figures.void !== undefined)?.void
  const keys = [...new Set(good.flatMap(figures => Object.keys(figures)))]
  const medians = Object.fromEntries(keys.map(key => [key, median(good.map(figures => Number(figures[key])))]))
  const rates = good.map(({ rate }) => Number(rate))
  return {
    name,
    ...note && { note },
    ...wrong && { void: wrong },
    rate: NaN,
    ...medians,
    ratio: NaN,
    spread: rates.length > 1 ? `±${Math.round((Math.max(...rates) - Math.min(...rates)) / 2 / Number(medians['rate']) * 100)} %` : ''
  }
}

/** @param {number[]} numbers */
export function median (numbers) {
  const sorted = [...numbers].sort((one, other) => one - other)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? Number(sorted[middle]) : (Number(sorted[middle - 1]) + Number(sorted[middle])) / 2
}

/**
 * Runs a script of this folder in a process of its own, with one message that says what to do, to the first answer.
 *
 * @param {string} script
 * @param {object} job
 * @param {number} [limitS]
 * @returns {Promise<any>}
 */
export async function inProcess (script, job, limitS = 120) {
  const child = start(script, job)
  try {
    return await Promise.race([child.answer(), new Promise((resolve, reject) => {
      setTimeout(reject, limitS * 1000, new Error(`no result after ${limitS} s`)).unref()
    })])
  } finally {
    await child.end()
  }
}

/**
 * @param {string} script
 * @param {object} job
 */
export function start (script, job) {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const ended = new Promise(resolve => child.once('exit', (code, signal) => resolve(signal ?? code)))
  child.send(job)
  return {
    /** The next message; rejects when the process ends before. */
    answer: () => new Promise((resolve, reject) => {
      child.once('message', (/** @type {any} */ message) => message?.error ? reject(new Error(message.error)) : resolve(message))
      ended.then(how => reject(new Error(`${script} ended with ${how}`)))
    }),
    send: (/** @type {object} */ message) => child.send(message),
    async end () {
      child.kill('SIGKILL')
      await ended
    }
  }
}

/**
 * The other side of `start`: answers the first message with what the task returns.
 *
 * @param {(job: any) => Promise<object>} task
 */
export function answerWith (task) {
  process.once('message', job => {
    task(job).then(result => process.send?.(result), error => process.send?.({ error: error.stack }))
  })
}

/** CPU time of this process and the largest memory it had, over a stretch of work. */
export function usage () {
  const before = process.cpuUsage()
  return (/** @type {number} */ count) => {
    const { user, system } = process.cpuUsage(before)
    return { cpuUs: (user + system) / count, rssMb: process.resourceUsage().maxRSS / 1024 }
  }
}
