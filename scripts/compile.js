import { existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { compiler } from '../packages/kafka/native/compiler.js'
import { SetupError, npm, run } from './run.js'
import { step } from './step.js'

export const installExamples = 'e.g. "apt-get install python3 make g++ libssl-dev zlib1g-dev libzstd-dev" or "xcode-select --install" and "brew install openssl zstd"'

// librdkafka's configure silently omits a part whose headers are missing.
const parts = [
  { define: 'WITH_SSL', feature: 'ssl', what: 'TLS', needs: 'OpenSSL\'s headers (libssl-dev)' },
  { define: 'WITH_SASL_SCRAM', feature: 'sasl_scram', what: 'SCRAM', needs: 'OpenSSL\'s headers (libssl-dev)' },
  { define: 'WITH_ZLIB', feature: 'gzip', what: 'gzip', needs: 'zlib\'s headers (zlib1g-dev)' }
]
const zstd = { define: 'WITH_ZSTD', feature: 'zstd', what: 'zstd', needs: 'zstd\'s headers (libzstd-dev)' }

/**
 * Whether the binding is compiled, for this Node's ABI, with all required parts.
 *
 * @param {string} binding
 */
export function isCompiled (binding) {
  const config = join(binding, 'build', 'config.gypi')
  // The file that make writes last, the ABI, and the parts.
  return existsSync(join(binding, 'build', 'Release', 'node-librdkafka.node')) &&
    readFileSync(config, 'utf8').includes(`"node_module_version": ${process.versions.modules},`) &&
    leftOut(binding).length === 0
}

/**
 * Compiles librdkafka with its own Makefile, then the binding against it. `npm rebuild` does both in one, with one core:
 * `JOBS` makes it fail (node-rdkafka 3.6.1 configures librdkafka and compiles it at the same time). It also compiles librdkafka's
 * examples, and debug symbols of 450 MB.
 *
 * @param {string} binding
 */
export async function compile (binding) {
  // Written last: one of an earlier Node would count as compiled after an interruption.
  rmSync(join(binding, 'build', 'Release', 'node-librdkafka.node'), { force: true })
  await step('Compiling librdkafka, once; this takes a minute or two …', async show => {
    const jobs = `-j${availableParallelism()}`
    const librdkafka = resolve(binding, 'deps', 'librdkafka')
    const libraries = resolve(binding, 'build', 'deps')
    await run('./configure', [`--prefix=${libraries}`, `--libdir=${libraries}`, '--disable-debug-symbols'], { cwd: librdkafka })
    complain(leftOut(binding))

    const files = compilations(await run('make', ['-n', 'libs'], { cwd: librdkafka }))
    const glue = readdirSync(join(binding, 'src')).filter(name => name.endsWith('.cc')).length
    let done = 0
    /** @param {number} count */
    const add = count => show((done += count) / (files + glue * costOfGlue))
    await run('make', [jobs, 'libs', 'install-subdirs'], { cwd: librdkafka, onOutput: text => add(compilations(text)) })

    // With 0 the binding is linked with a librdkafka that is there, and takes its headers from where CXX says, before the system's.
    const env = {
      BUILD_LIBRDKAFKA: '0',
      CXX: `${compiler()} -I${join(librdkafka, 'src')} -I${join(librdkafka, 'src-cpp')}`,
      CXXFLAGS: `${process.env['CXXFLAGS'] ?? ''} -O1`, // messages do not pass through it
      LDFLAGS: `${process.env['LDFLAGS'] ?? ''} -L${libraries}${process.platform === 'linux' ? " -Wl,-rpath='$$ORIGIN/../deps'" : ''}`
    }
    await npm(['run', 'configure'], binding, env) // it keeps CXX, where one is set
    await run('make', [jobs, '-C', 'build', 'BUILDTYPE=Release'], { cwd: binding, env, onOutput: text => add(costOfGlue * compilations(text)) })
  })
  if (leftOut(binding, [zstd]).length > 0) console.error(`Compiled without zstd, because ${zstd.needs} are missing: batches compressed with zstd cannot be read.`)
  // In a separate process, because this one may have loaded an earlier build.
  const features = JSON.parse(await run(process.execPath, ['-p', 'JSON.stringify(require("./").features)'], { cwd: binding }))
  complain(parts.filter(({ feature }) => !features.includes(feature)))
}

/** A file of the binding takes as long as this many of librdkafka's. */
const costOfGlue = 3

/** The compiled files in what make has printed: librdkafka's by the compiler's option, the binding's by gyp's word. @param {string} text */
const compilations = text => text.match(/ -c |CXX\(/g)?.length ?? 0

/**
 * Whether the addon in a Kafka client's folder is compiled, and newer than its sources and than the binding, which is compiled again for
 * another Node.
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
 * Compiles the addon.
 *
 * @param {string} client
 */
export async function compileAddon (client) {
  await step('Compiling the Kafka client\'s addon …', async () => await run(process.execPath, [join('native', 'compile.js')], { cwd: client }))
}

/** @param {string} client */
function addonOf (client) {
  return join(client, 'dist', 'native.node')
}

/**
 * Parts that librdkafka was configured without.
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
  throw new SetupError(`librdkafka cannot be compiled with ${missing.map(({ what }) => what).join(', ')}, which needs ${needs}: install with ${installExamples}`)
}
