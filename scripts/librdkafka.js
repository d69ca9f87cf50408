import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { SetupError, npm, run } from './run.js'

export const installExamples = 'e.g. "apt-get install python3 make g++ libssl-dev zlib1g-dev libzstd-dev" or "xcode-select --install" and "brew install openssl zstd"'

// librdkafka's configure silently omits a part whose headers are missing.
const parts = [
  { define: 'WITH_SSL', feature: 'ssl', what: 'TLS', needs: 'OpenSSL\'s headers (libssl-dev)' },
  { define: 'WITH_SASL_SCRAM', feature: 'sasl_scram', what: 'SCRAM', needs: 'OpenSSL\'s headers (libssl-dev)' },
  { define: 'WITH_ZLIB', feature: 'gzip', what: 'gzip', needs: 'zlib\'s headers (zlib1g-dev)' }
]
const zstd = { define: 'WITH_ZSTD', feature: 'zstd', what: 'zstd', needs: 'zstd\'s headers (libzstd-dev)' }

/** Where the binding has librdkafka's sources, and where it loads the compiled library from. @param {string} binding */
export const sourcesOf = binding => join(binding, 'deps', 'librdkafka')
/** @param {string} binding */
export const librariesOf = binding => join(binding, 'build', 'deps')

/**
 * Compiles librdkafka with its own Makefile, without its examples and debug symbols of 450 MB.
 *
 * @param {string} sources
 * @param {string} libraries where it will be installed
 * @param {(share: number) => void} show
 */
export async function compileLibrdkafka (sources, libraries, show) {
  await run('./configure', [`--prefix=${libraries}`, `--libdir=${libraries}`, '--disable-debug-symbols'], { cwd: sources })
  complain(parts.filter(({ define }) => !isDefined(sources, define)))
  const files = compilations(await run('make', ['-n', 'libs'], { cwd: sources }))
  let done = 0
  await run('make', [`-j${availableParallelism()}`, 'libs'], { cwd: sources, onOutput: text => show((done += compilations(text)) / files) })
}

/** The compiled files in what make has printed. @param {string} text */
const compilations = text => text.match(/ -c /g)?.length ?? 0

/**
 * Compiles librdkafka while npm installs the packages, which keeps one core busy, from a copy of its own: npm writes node_modules.
 * Does nothing if that copy cannot be had, without a network for example; then it is compiled after the installation.
 *
 * @param {string} root
 * @param {(share: number) => void} show
 */
export async function compileAhead (root, show) {
  const copy = `${aheadOf(root)}.partial`
  const sources = await unpack(root, copy).catch(() => undefined)
  if (sources === undefined) return
  await compileLibrdkafka(sources, librariesOf(join(root, 'node_modules', 'node-rdkafka')), show)
  renameSync(sources, aheadOf(root))
  rmSync(copy, { recursive: true })
}

/** @param {string} root @param {string} folder @returns the folder of librdkafka's sources in it */
async function unpack (root, folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const { version, integrity } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages['node_modules/node-rdkafka']
  const [packed] = JSON.parse(await npm(['pack', `node-rdkafka@${version}`, '--json', '--pack-destination', folder], root))
  if (packed.integrity !== integrity) throw new Error('not the package of the lock file')
  await run('tar', ['-xzf', packed.filename, 'package/deps/librdkafka'], { cwd: folder })
  return join(folder, 'package', 'deps', 'librdkafka')
}

/** Puts what compileAhead() has compiled in the place of the binding's sources. @returns {boolean} whether there was any @param {string} root @param {string} binding */
export function takeAhead (root, binding) {
  rmSync(`${aheadOf(root)}.partial`, { recursive: true, force: true }) // of an interrupted start
  if (!existsSync(aheadOf(root))) return false
  rmSync(sourcesOf(binding), { recursive: true, force: true })
  renameSync(aheadOf(root), sourcesOf(binding))
  return true
}

/** On the file system of node_modules. @param {string} root */
const aheadOf = root => join(root, '.data', 'librdkafka')

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
