import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'

/** An error that the user can correct: printed without a stack. */
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
 * Runs a command and prints its output only if it fails. A signal to this process ends the command with its child processes, and
 * then this process.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env?: Record<string, string>, onOutput?: (text: string) => void }} options `onOutput` gets its standard output as it comes
 * @returns its standard output
 */
export async function run (command, args, { cwd, env = {}, onOutput = () => {} }) {
  // Its own process group, so that compilers under make under npm end together.
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  /** @type {Buffer[]} */
  const output = []
  let text = ''
  child.stdout.setEncoding('utf8').on('data', chunk => {
    text += chunk
    onOutput(chunk)
  })
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => output.push(Buffer.from(chunk)))
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
 * @param {Record<string, string>} env
 * @returns its standard output
 */
export async function npm (args, cwd, env = {}) {
  const cli = process.env['npm_execpath']
  const [command, first] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []]
  return await run(command, [...first, ...args], { cwd, env: { ...nodeHeaders(), ...env } })
}

/** This Node's own headers, so that none are downloaded, unless npm_config_nodedir names others. */
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
    // It has ended already.
  }
}
