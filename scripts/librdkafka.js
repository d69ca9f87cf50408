import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import os from 'node:os'
import { join, resolve } from 'node:path'
import { InterruptedError, SetupError, npm, run } from './run.js'

export const installExamples = 'e.g. "apt-get install python3 make g++ libssl-dev zlib1g-dev libzstd-dev" or "xcode-select --install" and "brew install openssl zstd"'

// librdkafka's configure silently omits a part whose headers are missing.
const parts = [
  { define: 'WITH_SSL', feature: 'ssl', what: 'TLS', needs: 'OpenSSL\'s headers (libssl-dev)' },
  { define: 'WITH_SASL_SCRAM', feature: 'sasl_scram', what: 'SCRAM', needs: 'OpenSSL\'s headers (libssl-dev)' },
  { define: 'WITH_ZLIB', feature: 'gzip', what: 'gzip', needs: 'zlib\'s headers (zlib1g-dev)' }
]
const zstd = { define: 'WITH_ZSTD', feature: 'zstd', what: 'zstd', needs: 'zstd\'s headers (libzstd-dev)' }

/** Where the binding has librdkafka's sources. @param {string} binding */
export const sourcesOf = binding => resolve(binding, 'deps', 'librdkafka')
/** Where it loads the compiled library from. @param {string} binding */
export const librariesOf = binding => resolve(binding, 'build', 'deps')

/**
 * Compiles librdkafka with its own Makefile, without its examples and debug symbols of 450 MB.
 *
 * @param {string} sources
 * @param {string} libraries where it will be installed
 * @param {(share: number) => void} show
 * @param {AbortSignal} [signal] ends it
 */
export async function compileLibrdkafka (sources, libraries, show, signal) {
  await run('./configure', [`--prefix=${libraries}`, `--libdir=${libraries}`, '--disable-debug-symbols'], { cwd: sources, signal })
  complain(parts.filter(({ define }) => !isDefined(sources, define)))
  const files = compilations(await run('make', ['-n', 'libs'], { cwd: sources, signal }))
  let done = 0
  await run('make', [`-j${os.availableParallelism()}`, 'libs'], { cwd: sources, signal, onOutput: text => show((done += compilations(text)) / files) })
}

/** The compiled files in what make has printed. @param {string} text */
const compilations = text => text.match(/ -c /g)?.length ?? 0

/**
 * Compiles librdkafka while npm, which keeps one core busy, installs the packages. It has a copy of its own, because npm writes
 * node_modules. Without a copy, when there is no network for example, it does nothing, and librdkafka is compiled after the installation.
 *
 * @param {string} root
 * @param {(share: number) => void} show
 * @param {AbortSignal} signal ends it
 * @returns the compiled copy, for putInPlace()
 */
export async function compileAhead (root, show, signal) {
  const folder = join(root, '.data', 'librdkafka')
  const sources = await unpack(root, folder, signal)
  if (sources !== undefined) await compileLibrdkafka(sources, librariesOf(join(root, 'node_modules', 'node-rdkafka')), show, signal)
  return sources
}

/** @param {string} root @param {string} folder @param {AbortSignal} signal @returns the folder of librdkafka's sources in it; undefined if they cannot be had */
async function unpack (root, folder, signal) {
  const { version, integrity } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages['node_modules/node-rdkafka']
  try {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    const options = ['--json', '--fetch-retries=0', '--pack-destination', folder]
    const [packed] = JSON.parse(await npm(['pack', `node-rdkafka@${version}`, ...options], root, {}, signal))
    if (packed.integrity !== integrity) return undefined
    await run('tar', ['-xzf', packed.filename, 'package/deps/librdkafka'], { cwd: folder, signal })
    return join(folder, 'package', 'deps', 'librdkafka')
  } catch (error) {
    if (error instanceof InterruptedError) throw error
    return undefined
  }
}

/**
 * Replaces the binding's sources of librdkafka by a copy that compileAhead() has compiled.
 *
 * @param {string} copy
 * @param {string} binding
 * @returns {boolean} false if it cannot be moved, to another file system for example
 */
export function putInPlace (copy, binding) {
  const [sources, moved] = [sourcesOf(binding), `${sourcesOf(binding)}.compiled`]
  try {
    renameSync(copy, moved)
  } catch {
    return false
  }
  rmSync(sources, { recursive: true, force: true })
  renameSync(moved, sources)
  return true
}

/** Whether librdkafka is configured with all required parts. @param {string} binding */
export const isComplete = binding => parts.every(({ define }) => isDefined(sourcesOf(binding), define))

/**
 * Checks what the binding says of itself, and says what it does without.
 *
 * @param {string} binding
 * @throws SetupError if a required part is missing
 */
export async function checkFeatures (binding) {
  if (!isDefined(sourcesOf(binding), zstd.define)) console.error(`Compiled without zstd, because ${zstd.needs} are missing: batches compressed with zstd cannot be read.`)
  // In a separate process, because this one may have loaded an earlier build.
  const features = JSON.parse(await run(process.execPath, ['-p', 'JSON.stringify(require("./").features)'], { cwd: binding }))
  complain(parts.filter(({ feature }) => !features.includes(feature)))
}

/** @param {string} sources @param {string} define */
function isDefined (sources, define) {
  const config = join(sources, 'config.h')
  return existsSync(config) && readFileSync(config, 'utf8').includes(`#define ${define} 1`)
}

/** @param {typeof parts} missing */
function complain (missing) {
  if (missing.length === 0) return
  const needs = [...new Set(missing.map(({ needs }) => needs))].join(' and ')
  throw new SetupError(`librdkafka cannot be compiled with ${missing.map(({ what }) => what).join(', ')}, which needs ${needs}: install with ${installExamples}`)
}
