import { accessSync, constants, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { SetupError, npm, run } from './run.js'

const examples = 'e.g. "apt-get install python3 make g++ libssl-dev zlib1g-dev libzstd-dev" or "xcode-select --install" and "brew install openssl zstd"'

// librdkafka's configure leaves out, without an error, whatever it finds no headers for.
const parts = [
  { define: 'WITH_SSL', feature: 'ssl', what: 'TLS', needs: 'OpenSSL\'s headers (libssl-dev)' },
  { define: 'WITH_SASL_SCRAM', feature: 'sasl_scram', what: 'SCRAM', needs: 'OpenSSL\'s headers (libssl-dev)' },
  { define: 'WITH_ZLIB', feature: 'gzip', what: 'gzip', needs: 'zlib\'s headers (zlib1g-dev)' }
]
const compilers = ['g++', 'c++', 'clang++']
const zstd = { define: 'WITH_ZSTD', feature: 'zstd', what: 'zstd', needs: 'zstd\'s headers (libzstd-dev)' }

/**
 * Whether the binding is there, made for this Node, and with all that it must have.
 *
 * @param {string} binding
 */
export function isCompiled (binding) {
  const config = join(binding, 'build', 'config.gypi')
  // The last thing that make writes, and the Node that it was made for.
  return existsSync(join(binding, 'build', 'Release', 'node-librdkafka.node')) &&
    readFileSync(config, 'utf8').includes(`"node_module_version": ${process.versions.modules},`) &&
    leftOut(binding).length === 0
}

/** Before anything is installed: the commands without which nothing can be compiled. */
export function checkToolchain () {
  const needed = [
    { names: ['python3', 'python'], install: 'python3' },
    { names: ['make'], install: 'make' },
    // Whoever names a compiler knows that it is there.
    { names: compilers, install: 'g++', given: process.env['CXX'] }
  ]
  const missing = needed.filter(({ names, given }) => !given && !names.some(isCommand)).map(({ install }) => install)
  if (missing.length > 0) throw new SetupError(`librdkafka is compiled once, and that needs ${missing.join(', ')}: install with ${examples}`)
}

/**
 * What `npm rebuild` does, on all cores. With `JOBS` alone it fails (node-rdkafka 3.6.1): the build file that it generates
 * looks for librdkafka's config.h in the wrong folder, so that configuring and compiling run at the same time. So both are
 * done before, and the file is put where it is looked for, or librdkafka would be configured and compiled again. (The
 * examples are nothing we want, but its installation makes them, one after the other.)
 *
 * @param {string} binding
 */
export async function compile (binding) {
  const jobs = `-j${availableParallelism()}`
  const librdkafka = join(binding, 'deps', 'librdkafka')
  const expected = join(binding, 'build', 'deps', 'librdkafka')
  console.error('Compiling librdkafka, once; this takes a minute or two …')
  await run(process.execPath, [join('util', 'configure.js')], { cwd: binding })
  complain(leftOut(binding))
  if (leftOut(binding, [zstd]).length > 0) console.error(`It is compiled without zstd, for which ${zstd.needs} are missing: batches compressed with it cannot be read.`)
  await run('make', [jobs, 'libs', 'examples'], { cwd: librdkafka })
  await npm(['run', 'configure'], binding)
  mkdirSync(expected, { recursive: true })
  copyFileSync(join(librdkafka, 'config.h'), join(expected, 'config.h'))
  await run('make', [jobs, '-C', 'build', 'BUILDTYPE=Release'], { cwd: binding })
  // What it says of itself, in a process of its own: this one may have loaded another build.
  const features = JSON.parse(await run(process.execPath, ['-p', 'JSON.stringify(require("./").features)'], { cwd: binding }))
  complain(parts.filter(({ feature }) => !features.includes(feature)))
}

/**
 * Whether the addon of a Kafka client's folder is there, and newer than its sources and the binding, which is compiled
 * again for another Node.
 *
 * @param {string} binding
 * @param {string} client
 */
export function isAddonCompiled (binding, client) {
  const sources = join(client, 'native')
  const newest = [...readdirSync(sources).map(name => join(sources, name)), join(binding, 'build', 'config.gypi')].map(path => statSync(path).mtimeMs)
  return existsSync(addonOf(client)) && statSync(addonOf(client)).mtimeMs >= Math.max(...newest)
}

/**
 * Compiles the addon: against the headers of this Node and of the binding's librdkafka, linked with neither.
 *
 * @param {string} binding
 * @param {string} client
 */
export async function compileAddon (binding, client) {
  if (process.platform === 'win32') throw new SetupError('The Kafka client does not run on Windows: use WSL')
  console.error('Compiling the Kafka client\'s addon …')
  const [compiler = 'g++', ...flags] = (process.env['CXX'] || compilers.find(isCommand) || 'g++').split(' ')
  // Those that the binding was compiled with: this Node's own, given ones, or downloaded.
  const [, node = ''] = /"nodedir": "([^"]+)"/.exec(readFileSync(join(binding, 'build', 'config.gypi'), 'utf8')) ?? []
  const headers = [join(node, 'include', 'node'), join(resolve(binding), 'deps', 'librdkafka', 'src')]
  const sources = readdirSync(join(client, 'native')).filter(name => name.endsWith('.cc'))
  const unfinished = `${addonOf(client)}.${process.pid}`
  mkdirSync(dirname(unfinished), { recursive: true })
  await run(compiler, [
    ...flags, '-O2', '-std=c++17', '-fPIC', '-shared', '-fno-exceptions', '-fvisibility=hidden', ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
    ...headers.map(folder => `-I${folder}`), ...sources, '-o', resolve(unfinished)
  ], { cwd: join(client, 'native') })
  // In one step: a process may be running with the old one.
  renameSync(unfinished, addonOf(client))
}

/** @param {string} client */
function addonOf (client) {
  return join(client, 'dist', 'native.node')
}

/**
 * Those of the parts that librdkafka was configured without.
 *
 * @param {string} binding
 */
function leftOut (binding, of = parts) {
  const config = join(binding, 'deps', 'librdkafka', 'config.h')
  const text = existsSync(config) ? readFileSync(config, 'utf8') : ''
  return of.filter(({ define }) => !text.includes(`#define ${define} 1`))
}

/** @param {typeof parts} missing */
function complain (missing) {
  if (missing.length === 0) return
  const needs = [...new Set(missing.map(({ needs }) => needs))].join(' and ')
  throw new SetupError(`librdkafka cannot be compiled with ${missing.map(({ what }) => what).join(', ')}, which needs ${needs}: install with ${examples}`)
}

/** @param {string} name */
function isCommand (name) {
  return (process.env['PATH'] ?? '').split(delimiter).some(folder => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
