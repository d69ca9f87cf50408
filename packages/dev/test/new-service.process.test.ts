import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, missingRegistrations, readSystem } from '@pair/dev'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { cloneRepository } from './clone.js'
import { run } from './running.js'

/** Runs a command to its end. */
async function inFolder (cwd: string, command: string, ...args: string[]) {
  const child = run(args, { command, cwd })
  return { code: await child.ended, output: child.output() }
}

const npm = async (root: string, ...args: string[]) => await inFolder(root, 'npm', 'run', '--silent', ...args)

const compiler = 'typescript-7/bin/tsc'

async function expectWell (root: string, script: string, ...args: string[]): Promise<string> {
  const { code, output } = await inFolder(root, process.execPath, join(root, 'node_modules', script), ...args)
  expect(code, output).toBe(0)
  return output
}

/** Hash of all files that are neither installed nor built. */
function fingerprint (root: string): string {
  const files = execFileSync('find', ['.', '-type', 'f', '-not', '-path', '*/node_modules/*', '-not', '-path', '*/dist/*', '-not', '-name', '*.tsbuildinfo', '-exec', 'sha256sum', '{}', '+'], { cwd: root, encoding: 'utf8' })
  return createHash('sha256').update(files.split('\n').sort().join('\n')).digest('hex')
}

test('npm run new-service creates a service that runs, lints, type-checks, passes its test, and processes the event of a registration', async () => {
  const root = await cloneRepository()
  expect(await npm(root, 'new-topic', 'mail_sent')).toMatchObject({ code: 0, output: expect.stringContaining('shared-topics/src/mail-sent.ts') })
  const made = await npm(root, 'new-service', 'mail-sender', '--', '--receives', 'user_register', '--receives', 'mail_sent')
  expect(made).toMatchObject({ code: 0, output: expect.stringContaining('microservices/mail-sender/src/user-register-consumer.ts') })
  expect(made.output).toContain('in ConsumerGroupHasNoMember: or absent(kafka_consumer_assigned_partitions{job="mail-sender-service"})')
  const port = Number(/on port (\d+)/.exec(made.output)?.[1])
  expect(port).toBe(3003)
  const compose = await readFile(join(root, 'docker-compose.yml'), 'utf8')
  expect(compose).toContain('\n  mail-sender:\n    <<: *service\n')
  expect(await readFile(join(root, 'observability', 'prometheus.yml'), 'utf8')).toContain('names: [mail-sender], type: A, port: 3003,')

  // npm would write the same lock file.
  const lock = await readFile(join(root, 'package-lock.json'), 'utf8')
  execFileSync('npm', ['install', '--package-lock-only', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: root, stdio: 'ignore' })
  expect(await readFile(join(root, 'package-lock.json'), 'utf8')).toBe(lock)

  const ports = { USER_PORT: String(await freePort()), PROFILE_PORT: String(await freePort()), MAIL_SENDER_PORT: String(await freePort()) }
  const started = run(['start'], { command: 'npm', cwd: root, env: { ...ports, KAFKA_BROKERS: '', USER_DATABASE_URL: '', PROFILE_DATABASE_URL: '', MAIL_SENDER_DATABASE_URL: '' } })
  await started.said(/Ready\./)
  expect(started.output()).not.toContain('Installing')
  const answer = await fetch(`http://127.0.0.1:${ports.USER_PORT}/user/register`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: 'mail@example.com', username: 'mail' })
  })
  expect(answer.status).toBe(201)
  const text = async (path: string) => await (await fetch(`http://127.0.0.1:${ports.MAIL_SENDER_PORT}${path}`)).text()
  await vi.waitFor(async () => {
    expect(await text('/metrics')).toMatch(/^messages_handled_total\{.*"user_register".*outcome="processed".*\} 1$/m)
  }, { timeout: 120_000, interval: 50 })
  const events = await text('/docs/events')
  expect(events).toContain('user_register')
  expect(events).toContain('mail_sent')
  expect(JSON.parse(await text('/'))).toMatchObject({ title: 'Mail sender service' })
  started.kill('SIGTERM')
  expect(await started.ended).toBe(0)

  await expectWell(root, '.bin/eslint', 'microservices', 'shared-topics', 'packages/dev')
  await expectWell(root, compiler, '-p', 'tsconfig.test.json')
  expect(await expectWell(root, '.bin/vitest', 'run', '--project', 'fast', '--project', 'process', 'mail-sender', 'shared-topics', 'compose.test.ts', 'configuration.test.ts', 'documentation.test.ts', 'structure.test.ts', 'system.test.ts')).toContain('mail-sender.process.test.ts')
})

describe('refused', () => {
  let root: string
  beforeAll(async () => {
    const end: Array<() => Promise<void>> = []
    root = await cloneRepository(remove => end.push(remove))
    return async () => { for (const remove of end) await remove() }
  })

  test.each([
    ['taken by a service', ['new-service', 'profile'], 'microservices/profile already exists'],
    ['taken by a script', ['new-service', 'lint'], 'lint is taken: npm run lint is another command'],
    ['taken by a package', ['new-service', 'kafka'], 'kafka is taken: there is a package @pair/kafka'],
    ['taken in Compose', ['new-service', 'grafana'], 'grafana is taken: docker-compose.yml has a service of that name'],
    ['that Git ignores', ['new-service', 'dist'], 'dist is taken: npm or Git uses this name'],
    ['not an identifier', ['new-service', 'Mail.Sender'], '"Mail.Sender" is not a valid name: use lower-case letters, digits and "-", as in mail-sender, at most 40 characters'],
    ['missing', ['new-service'], expect.stringMatching(/^Usage: npm run new-service .*$/)],
    ['of an unknown topic', ['new-service', 'mailer', '--', '--receives', 'order_placed'], 'there is no topic order_placed in shared-topics (existing topics: user_register); create it with npm run new-topic order_placed'],
    ['of an unknown system', ['new-service', 'mailer', '--', '--in', 'examples/none'], 'there is no system in examples/none: create it with npm run new-topic <name> -- --in examples/none'],
    ['of an existing topic', ['new-topic', 'user_register'], 'user_register already exists: shared-topics/src/index.ts exports it'],
    ['of a topic that is a keyword', ['new-topic', 'class'], 'class cannot be the name of a topic: class is a name in its file or a keyword of TypeScript'],
    ['of a topic that its file uses otherwise', ['new-topic', 'data'], 'data cannot be the name of a topic: data is a name in its file or a keyword of TypeScript'],
    ['of a topic, not an identifier', ['new-topic', 'order-placed'], '"order-placed" is not a valid name: use lower-case letters, digits and "_", as in order_placed, at most 40 characters']
  ])('a name %s: prints one line and changes nothing', async (_why, args, line) => {
    const before = fingerprint(root)
    const { code, output } = await npm(root, ...args)
    expect(code).toBe(1)
    expect(output.endsWith('\n') && output.slice(0, -1)).toEqual(line)
    expect(fingerprint(root)).toBe(before)
  })
})

test('a second run with the same name prints one line and changes nothing', async () => {
  const root = await cloneRepository()
  expect(await npm(root, 'new-service', 'mailer', '--', '--no-database')).toMatchObject({ code: 0 })
  const before = fingerprint(root)
  expect(await npm(root, 'new-service', 'mailer')).toEqual({ code: 1, output: expect.stringMatching(/^(Building …\n)?microservices\/mailer already exists\n$/) })
  expect(fingerprint(root)).toBe(before)
})

test('another system starts with a topic; its services publish, with and without a database, and consume: their tests pass', async () => {
  const root = await cloneRepository()
  const system = ['--in', 'examples/radio']
  for (const args of [
    ['new-topic', 'song_played', '--', ...system],
    ['new-service', 'player', '--', ...system, '--sends', 'song_played'],
    ['new-service', 'jukebox', '--', ...system, '--sends', 'song_played', '--no-database'],
    ['new-service', 'charts', '--', ...system, '--receives', 'song_played']
  ]) expect(await npm(root, ...args)).toMatchObject({ code: 0 })
  expect(readSystem(join(root, 'examples', 'radio')).services.map(({ name, port, database }) => [name, port, database])).toEqual([
    ['player', 3000, 'player_service'], ['jukebox', 3001, undefined], ['charts', 3003, 'charts_service']
  ])
  await expectWell(root, compiler, '-b')
  await expectWell(root, '.bin/eslint', 'examples')

  const compose = parse(await readFile(join(root, 'examples', 'radio', 'docker-compose.yml'), 'utf8'), { merge: true })
  expect(Object.keys(compose.services).sort()).toEqual(['charts', 'databases', 'events', 'jukebox', 'kafka', 'player', 'postgres'])
  expect(compose.services.charts).toMatchObject({
    image: expect.stringContaining(':-fastify-kafka-pair/radio-charts}'),
    build: { context: '../..', args: { SYSTEM: 'examples/radio', SERVICE: 'charts' } },
    environment: { KAFKA_BROKERS: 'kafka:19092', DATABASE_URL: 'postgres://charts_service:charts@postgres:5432/charts_service' },
    read_only: true
  })
  expect(compose.services.jukebox.environment).not.toHaveProperty('DATABASE_URL')
  expect(Object.keys(compose.volumes)).toEqual(['kafka', 'postgres'])
  const output = await expectWell(root, '.bin/vitest', 'run', '--project', 'fast', '--project', 'process', 'examples/radio/', 'test/system.test.ts')
  for (const name of ['player', 'jukebox', 'charts', 'examples']) expect(output).toContain(`/test/${name}.`)
})

test('a service that was added by hand is listed with each missing entry', async () => {
  const root = await cloneRepository()
  const folder = join(root, 'microservices', 'mailer')
  await cp(join(root, 'microservices', 'profile'), folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), '{ "name": "@pair/mailer", "service": { "port": 3003 } }')
  expect(missingRegistrations(root, readSystem(root))).toEqual([
    'tsconfig.json: { "path": "microservices/mailer" } in "references"',
    'package.json: "mailer": "exec node scripts/setup.js microservices/mailer/dist/server.js" in "scripts"',
    'package-lock.json: microservices/mailer, which npm install writes',
    'docker-compose.yml: a service mailer',
    'observability/prometheus.yml: a job for mailer on port 3003'
  ])
})
