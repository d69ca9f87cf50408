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

/** The command was ended by a signal to this process, or by its caller. */
export class InterruptedError extends SetupError {}

/**
 * Runs a command and prints its output only if it fails. A signal to this process ends the command with its child processes, and
 * then this process.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env?: Record<string, string> | undefined, onOutput?: (text: string) => void, signal?: AbortSignal | undefined }} options
 *   `onOutput` gets its standard output as it comes; `signal` ends it
 * @returns its standard output
 */
export async function run (command, args, { cwd, env = {}, onOutput = () => {}, signal }) {
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
  const endings = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])
  for (const ending of endings) process.on(ending, end)
  const abort = () => end('SIGTERM')
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  const code = await new Promise((resolve, reject) => {
    child.once('error', error => reject(new SetupError(`cannot run ${command}: ${error.message}`)))
    child.once('close', (code, signal) => resolve(code ?? signal))
  }).finally(() => {
    for (const ending of endings) process.off(ending, end)
    signal?.removeEventListener('abort', abort)
  })
  if (signalled) throw new InterruptedError(`Interrupted (${signalled}); the next start installs and compiles what is missing`, 128 + constants.signals[signalled])
  if (code !== 0) throw new SetupError(`${Buffer.concat(output)}\n"${[command, ...args].join(' ')}" failed (${code})`)
  return text
}

/**
 * @param {string[]} args
 * @param {string} cwd
 * @param {Record<string, string>} [env]
 * @param {AbortSignal} [signal] ends it
 * @returns its standard output
 */
export async function npm (args, cwd, env = {}, signal) {
  const cli = process.env['npm_execpath'] // yarn's, where yarn has started this
  const [command, first] = cli?.endsWith('npm-cli.js') ? [process.execPath, [cli]] : ['npm', []]
  // npm's own errors, also where `npm start --silent` has started this.
  return await run(command, [...first, ...args], { cwd, env: { npm_config_loglevel: 'warn', ...nodeHeaders(), ...env }, signal })
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
