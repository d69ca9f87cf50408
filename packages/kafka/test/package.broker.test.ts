import { execFile, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, inject, onTestFinished, test, vi } from 'vitest'
import { newName } from '../../../test/fixtures/records.js'

// The package as somebody else's application has it: the tarball, outside the repository.

const root = fileURLToPath(new URL('../../..', import.meta.url))
const client = join(root, 'packages', 'kafka')
const modules = join(root, 'node_modules')
let application = ''

function run (command: string, args: string[], { cwd = application, env = {} }: { cwd?: string, env?: NodeJS.ProcessEnv } = {}) {
  return new Promise<{ code: unknown, said: string }>(resolve => {
    execFile(command, args, { cwd, timeout: 300_000, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code ?? error.signal, said: stdout + stderr })
    })
  })
}

/** The first block of README.md in this language. */
async function block (language: string): Promise<string> {
  const [, text = ''] = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(await readFile(join(client, 'README.md'), 'utf8')) ?? []
  return text
}

beforeAll(async () => {
  application = await mkdtemp(join(tmpdir(), 'application-'))
  // It is built; setting up again would be another test's.
  expect(await run('npm', ['pack', '--ignore-scripts', '--pack-destination', application], { cwd: client })).toMatchObject({ code: 0 })
  const manifest = JSON.parse(await block('json'))
  await writeFile(join(application, 'package.json'), JSON.stringify({ private: true, type: 'module', ...manifest }))
  expect(await run('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'])).toMatchObject({ code: 0 })
})
afterAll(() => rm(application, { recursive: true, force: true }))

const inApplication = (...path: string[]) => join(application, 'node_modules', ...path)

test('the addon is compiled on installing, before node-rdkafka, and the README\'s producer and consumer run', async () => {
  expect(await run('npm', ['rebuild', '--ignore-scripts=false', '@platformatic/kafka'])).toMatchObject({ code: 0 })
  await symlink(join(modules, 'node-rdkafka', 'build'), inApplication('node-rdkafka', 'build')) // a minute or two of compiling
  const topic = newName('greetings')
  await writeFile(join(application, 'app.js'), (await block('js')).replaceAll("'greetings'", `'${topic}'`))
  const child = spawn(process.execPath, ['app.js'], { cwd: application, env: { ...process.env, KAFKA_BROKERS: inject('kafkaBrokers'), PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise(resolve => child.once('exit', resolve))
  onTestFinished(async () => { child.kill('SIGKILL'); await exited })
  const lines: string[] = []
  createInterface(child.stdout).on('line', line => lines.push(line))
  const url = await vi.waitFor(() => {
    const [, url] = /"Server listening at (http:\/\/127[^"]+)"/.exec(lines.join('\n')) ?? []
    expect(url).toBeDefined()
    return url
  }, 60_000)
  await vi.waitFor(async () => {
    const { status } = await fetch(`${url}/greetings/world`, { method: 'POST' })
    expect(status).toBe(202)
    expect(lines).toContain('hello, world')
  }, { timeout: 60_000, interval: 500 })
})

const typescript = `
import kafka from '@fastify/kafka'
import { Admin, Consumer, KafkaError, Producer, type ConsumerOptions, type Message, type ProducerOptions } from '@platformatic/kafka'
import type {} from '@platformatic/kafka/fastify'
import { fastify } from 'fastify'

const app = fastify()
app.register(kafka, {
  producer: { bootstrapBrokers: ['a:1'], acks: 'all', 'linger.ms': 0, compression: 'gzip' } satisfies ProducerOptions,
  consumer: { bootstrapBrokers: ['a:1'], groupId: 'g', maxWaitTime: 10, 'auto.offset.reset': 'earliest', rebalance_cb: true } satisfies ConsumerOptions
})
app.kafka.subscribe('t').on('t', (message, commit) => {
  const stored: Message = message
  commit()
  stored.release()
})
app.kafka.push({ topic: 't', payload: 'x' }).catch((error: KafkaError) => error.codeName)
// @ts-expect-error no such option
new Producer({ bootstrapBroker: ['a:1'] })
// @ts-expect-error no such strategy
new Consumer({ bootstrapBrokers: ['a:1'], groupId: 'g', fallbackMode: 'newest' })
new Admin({ bootstrapBrokers: 'a:1' }).createTopics({ topics: ['t'] })
`

test.each([
  ['nodenext', ['--module', 'nodenext']],
  ['node10', ['--module', 'esnext', '--moduleResolution', 'node10', '--ignoreDeprecations', '6.0']]
])('its types are whole, also those of libraries (%s)', async (_resolution, flags) => {
  await mkdir(inApplication('@types'), { recursive: true })
  for (const name of ['@types/node', 'undici-types']) await cp(join(modules, name), inApplication(name), { recursive: true, force: true })
  await writeFile(join(application, 'app.ts'), typescript)
  const compiler = join(modules, 'typescript', 'bin', 'tsc')
  expect(await run(process.execPath, [compiler, '--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2022', '--types', 'node', ...flags, 'app.ts'])).toEqual({ code: 0, said: '' })
})

test('without a compiler the installation says what is missing', async () => {
  const { code, said } = await run(process.execPath, [inApplication('@platformatic', 'kafka', 'native', 'compile.js')], { env: { PATH: '/none', CXX: '' } })
  expect({ code, said }).toEqual({ code: 1, said: expect.stringMatching(/^The native addon of the Kafka client cannot be compiled: there is no C\+\+ compiler: install one with "apt-get install g\+\+" or .+\n$/) })
})

test.each([
  ['node-rdkafka', '3.5.0', 'The Kafka client (@pair/kafka) needs node-rdkafka 3.6.1, and finds 3.5.0: npm install --save-exact node-rdkafka@3.6.1'],
  ['@fastify/kafka', '4.1.0', 'The Kafka client (@pair/kafka) is made for @fastify/kafka 4.0, and finds 4.1.0: npm install @fastify/kafka@~4.0.0']
])('another version of %s is one line when it is loaded', async (name, version, line) => {
  const path = inApplication(name, 'package.json')
  const manifest = await readFile(path, 'utf8')
  onTestFinished(() => writeFile(path, manifest))
  await writeFile(path, JSON.stringify({ ...JSON.parse(manifest), version }))
  const { said } = await run(process.execPath, ['--input-type=module', '-e', "await import('@platformatic/kafka').catch(error => console.log(error.message))"])
  expect(said).toBe(`${line}\n`)
})

test('it has what a package needs, and nothing that only this repository uses', async () => {
  const { said } = await run('npm', ['pack', '--ignore-scripts', '--dry-run', '--json'], { cwd: client })
  const [{ files }] = JSON.parse(said.slice(said.indexOf('['))) as [{ files: Array<{ path: string }> }]
  const paths = files.map(({ path }) => path)
  expect(paths).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts', 'fastify.d.ts', 'native/compile.js', 'native/compiler.js', 'native/sending.cc', 'native/library.h', 'package.json']))
  expect(paths.filter(path => /\.node|^test|tsbuildinfo|sanitize|soak/.test(path))).toEqual([])
})
