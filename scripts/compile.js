import { existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { compiler } from '../packages/kafka/native/compiler.js'
import { checkFeatures, compileLibrdkafka, isComplete, librariesOf, sourcesOf } from './librdkafka.js'
import { npm, run } from './run.js'
import { step } from './step.js'

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
    isComplete(binding)
}

/**
 * Compiles librdkafka, then the binding against it. `npm rebuild` does both in one, with one core: `JOBS` makes it fail
 * (node-rdkafka 3.6.1 configures librdkafka and compiles it at the same time).
 *
 * @param {string} binding
 * @param {{ isAhead?: boolean }} options `isAhead`: librdkafka is compiled
 */
export async function compile (binding, { isAhead = false } = {}) {
  // make writes it last. One of an earlier Node would count as compiled, if this was interrupted.
  rmSync(join(binding, 'build', 'Release', 'node-librdkafka.node'), { force: true })
  const [sources, libraries] = [sourcesOf(binding), librariesOf(binding)]
  if (!isAhead) await step('Compiling librdkafka, once; this takes a minute or two …', async show => await compileLibrdkafka(sources, libraries, show))
  await step('Compiling its binding …', async show => {
    await run('make', ['install-subdirs'], { cwd: sources })
    // With 0 the binding is linked with a librdkafka that is there, and takes its headers from where CXX says, before the system's.
    const env = {
      BUILD_LIBRDKAFKA: '0',
      CXX: `${compiler()} -I${join(sources, 'src')} -I${join(sources, 'src-cpp')}`,
      CXXFLAGS: `${process.env['CXXFLAGS'] ?? ''} -O1`, // messages do not pass through it
      LDFLAGS: `${process.env['LDFLAGS'] ?? ''} -L${libraries}${process.platform === 'linux' ? " -Wl,-rpath='$$ORIGIN/../deps'" : ''}`
    }
    await npm(['run', 'configure'], binding, env) // it keeps CXX, where one is set
    const files = readdirSync(join(binding, 'src')).filter(name => name.endsWith('.cc')).length
    let done = 0
    const onOutput = (/** @type {string} */ text) => show((done += text.match(/CXX\(/g)?.length ?? 0) / files)
    await run('make', [`-j${os.availableParallelism()}`, '-C', 'build', 'BUILDTYPE=Release'], { cwd: binding, env, onOutput })
  })
  await checkFeatures(binding)
}

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
