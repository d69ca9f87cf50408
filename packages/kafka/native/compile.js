import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compiler } from './compiler.js'

// node native/compile.js: compiles the addon into dist/native.node, when the package is installed and when its sources have changed.
// The headers of Node-API and librdkafka come from packages, and the addon is linked with neither library, so nothing is downloaded and
// node-rdkafka may be compiled before or after it.

const native = dirname(fileURLToPath(import.meta.url))
const dist = join(native, '..', 'dist')

if (process.platform === 'win32') fail('it does not run on Windows: use WSL')
const [command, ...flags] = (compiler() ?? '').split(' ')
if (!command) fail('there is no C++ compiler: install one with "apt-get install g++" or "xcode-select --install"')
const headers = [join(folderOf('node-api-headers'), 'include'), join(folderOf('node-rdkafka'), 'deps', 'librdkafka', 'src')]
const sources = readdirSync(native).filter(name => name.endsWith('.cc'))
mkdirSync(dist, { recursive: true })
const unfinished = join(dist, `native.node.${process.pid}`)
const { status, error } = spawnSync(command, [
  ...flags, '-O2', '-std=c++17', '-fPIC', '-shared', '-fno-exceptions', '-fvisibility=hidden', ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
  ...headers.map(folder => `-I${folder}`), ...sources, '-o', unfinished
], { cwd: native, stdio: ['ignore', 'inherit', 'inherit'] })
if (status !== 0) fail(`${command} has failed${error === undefined ? '' : `: ${error.message}`}`)
// Atomically: a process may be running with the old addon.
renameSync(unfinished, join(dist, 'native.node'))

/** @param {string} name */
function folderOf (name) {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
  } catch {
    return fail(`the package ${name} is not installed beside it`)
  }
}

/**
 * @param {string} reason
 * @returns {never}
 */
function fail (reason) {
  console.error(`The native addon of the Kafka client cannot be compiled: ${reason}`)
  process.exit(1)
}
