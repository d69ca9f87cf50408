import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'

/** Something that the user can put right: shown without a stack. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {number} exitCode
   */
  constructor (message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/**
 * Runs a command to its end without showing what it prints, unless it fails. A signal to this process ends the command and
 * everything that the command started, and then this process.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env?: Record<string, string> }} options
 * @returns what it wrote to standard output
 */
export async function run (command, args, { cwd, env = {} }) {
  // A group of its own, so that compilers under make under npm can be ended together.
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  /** @type {Buffer[]} */
  const output = []
  let text = ''
  child.stdout.on('data', chunk => { text += chunk })
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => output.push(chunk))
  /** @type {NodeJS.Signals | undefined} */
  let signalled
  /** @param {NodeJS.Signals} signal */
  const end = signal => {
    signalled = signal
    if (child.pid) killGroup(child.pid, signal)
  }
  process.on('SIGINT', end).on('SIGTERM', end)
  const code = await new Promise((resolve, reject) => {
    child.once('error', error => reject(new SetupError(`cannot run ${command}: ${error.message}`)))
    child.once('close', (code, signal) => resolve(code ?? signal))
  }).finally(() => process.off('SIGINT', end).off('SIGTERM', end))
  if (signalled) throw new SetupError(`Interrupted; the next start goes on from here (${signalled})`, 128 + constants.signals[signalled])
  if (code !== 0) throw new SetupError(`${Buffer.concat(output)}\n"${[command, ...args].join(' ')}" failed (${code})`)
  return text
}

/**
 * @param {string[]} args
 * @param {string} cwd
 */
export async function npm (args, cwd) {
  const cli = process.env['npm_execpath']
  const [command, first] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []]
  await run(command, [...first, ...args], { cwd, env: nodeHeaders() })
}

/** The headers that came with this Node, so that none are downloaded, unless somebody has chosen others. */
function nodeHeaders () {
  const prefix = dirname(dirname(process.execPath))
  const own = existsSync(join(prefix, 'include', 'node', 'node.h')) && !process.env['npm_config_nodedir']
  return own ? { npm_config_nodedir: prefix } : {}
}

/**
 * @param {number} pid
 * @param {NodeJS.Signals} signal
 */
function killGroup (pid, signal) {
  try {
    process.kill(-pid, signal)
  } catch {
    // Ended by itself in between.
  }
}
