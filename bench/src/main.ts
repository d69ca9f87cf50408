import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Bench, Comparison } from './bench.js'
import { openBroker, warmUp } from './broker.js'
import { openPostgres } from './postgres.js'
import { printTable } from './table.js'

// npm run bench -- [push consume register latency ask catchup growth] [--quick] [--rounds 5] [--json]
// The competitors take turns, each round in new processes. The table shows the medians of the rounds.

const all = ['push', 'consume', 'register', 'latency', 'ask', 'catchup', 'growth']
const { values, positionals } = read()
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5))
const unknown = positionals.filter(name => !all.includes(name))
if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) usage()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))

installPeers()
const say = (text: string) => { if (!values.json) console.log(text) }
const progress = (text: string) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`)
const broker = await openBroker()
const postgres = await openPostgres()
say(`broker: ${broker.description}; database: ${postgres.description}; node ${process.version}; ${rounds} rounds, medians`)
try {
  if (broker.isNew && !values.quick) {
    progress('warming up the broker …')
    await warmUp(broker)
  }
  for (const name of positionals.length > 0 ? positionals : all) {
    const { compare } = await import(`./comparisons/${name}.js`) as Comparison
    const bench: Bench = { broker, postgres, rounds, isQuick: values.quick, progress, only: values.only }
    for await (const result of compare(bench)) {
      if (process.stderr.isTTY) progress('')
      if (values.json) console.log(JSON.stringify({ comparison: name, broker: broker.description, ...result }))
      else printTable(result)
    }
  }
} finally {
  await postgres.close()
  await broker.close()
}

function installPeers () {
  const folder = fileURLToPath(new URL('..', import.meta.url))
  if (existsSync(`${folder}node_modules/.package-lock.json`)) return
  console.error('Installing the peers …')
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}

function read () {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, rounds: { type: 'string' }, only: { type: 'string' } }
    })
  } catch {
    return usage()
  }
}

function usage (): never {
  console.error(`npm run bench -- [${all.join('|')} …] [--quick] [--rounds N] [--only <text in a row's title>] [--json]`)
  process.exit(2)
}
