import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { query, startPostgres } from '@pair/dev'
import { expect, onTestFinished, test } from 'vitest'
import { miniature } from './miniature.js'
import { gone, processTree, run, temporary } from './running.js'

const standalone = fileURLToPath(new URL('../dist/postgres.js', import.meta.url))
const URL_LINE = /USER_DATABASE_URL=(\S+)/

const pidFile = (dataDir: string) => join(dataDir, 'postgres', 'data', 'postmaster.pid')

test('a standalone PostgreSQL prints what to export and ends with exit code 0 on SIGTERM', async () => {
  const server = run([standalone], { env: { DATA_DIR: await temporary() } })
  await query(await server.said(URL_LINE), 'SELECT 1')
  await query(await server.said(/PROFILE_DATABASE_URL=(\S+)/), 'SELECT 1')
  const tree = processTree(server.pid)
  server.kill('SIGTERM')
  expect(await server.ended).toBe(0)
  await gone(tree)
})

test('for another system than the pair it names the scripts of its services', async () => {
  const root = await miniature({})
  const folder = join(root, 'examples', 'music', 'microservices', 'player')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), '{ "service": { "port": 3000, "database": true } }')
  const server = run([join(root, 'packages', 'dev', 'dist', 'postgres.js'), 'examples/music'], { env: { DATA_DIR: await temporary() } })
  expect(await server.said(/DATABASE_URL=\$PLAYER_DATABASE_URL npm run (\S+)\n/)).toBe('music:player')
})

test('what was stored survives a kill -9 of everything, and the server left behind is recovered without a word', async () => {
  const DATA_DIR = await temporary()
  const first = run([standalone], { env: { DATA_DIR } })
  await query(await first.said(URL_LINE), 'CREATE TABLE kept AS SELECT 42 AS answer')
  const orphan = Number((await readFile(pidFile(DATA_DIR), 'utf8')).split('\n')[0])
  const [launcher, keeper] = processTree(first.pid)
  process.kill(keeper ?? 0, 'SIGKILL')
  process.kill(launcher ?? 0, 'SIGKILL')
  await first.ended
  expect(process.kill(orphan, 0)).toBe(true)

  const second = run([standalone], { env: { DATA_DIR } })
  expect(await query(await second.said(URL_LINE), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
  await gone([orphan])
  expect(second.output()).toMatch(/^\s*PostgreSQL is ready/)
})

test('the server ends with its launcher when that is killed with -9', async () => {
  const server = run([standalone], { env: { DATA_DIR: await temporary() } })
  await server.said(URL_LINE)
  const tree = processTree(server.pid)
  expect(tree.length).toBeGreaterThan(2)
  server.kill('SIGKILL')
  await gone(tree)
})

test('a kill -9 in the middle of the first initialisation leaves nothing that the next start stumbles over', async () => {
  const DATA_DIR = await temporary()
  await mkdir(join(DATA_DIR, 'postgres.partial', 'data'), { recursive: true })
  await writeFile(join(DATA_DIR, 'postgres.partial', 'data', 'PG_VERSION'), '18\n')
  const server = await startPostgres({ dataDir: DATA_DIR, databases: ['some_service'] })
  onTestFinished(() => server.close())
  await query(server.url('some_service'), 'SELECT 1')
})

test('a pid file whose number is another process\'s by now does not keep the server from starting', async () => {
  const dataDir = await temporary()
  await (await startPostgres({ dataDir })).close()
  // Of the same user: the server itself sees through any other.
  const other = await startPostgres()
  onTestFinished(() => other.close())
  await writeFile(pidFile(dataDir), `${other.pid}\n${join(dataDir, 'postgres', 'data')}\n`)
  const server = await startPostgres({ dataDir })
  onTestFinished(() => server.close())
  await query(server.adminUrl, 'SELECT 1')
})

test('a data folder that is in use is refused with one line, and its server goes on', async () => {
  const dataDir = await temporary()
  const server = await startPostgres({ dataDir })
  onTestFinished(() => server.close())
  const second = run([standalone], { env: { DATA_DIR: dataDir } })
  expect(await second.ended).toBe(1)
  expect(second.output()).toMatch(/^the data folder .* is in use by another process\n$/)
  await query(server.adminUrl, 'SELECT 1')
})

test('a server that is ended by somebody else ends its launcher with exit code 1 and its name', async () => {
  const DATA_DIR = await temporary()
  const server = run([standalone], { env: { DATA_DIR } })
  await server.said(URL_LINE)
  process.kill(Number((await readFile(pidFile(DATA_DIR), 'utf8')).split('\n')[0]), 'SIGQUIT')
  expect(await server.ended).toBe(1)
  expect(server.output()).toMatch(/the embedded PostgreSQL exited unexpectedly \(exit code \d+\)/)
})

test('without a folder the server keeps its data in a temporary one, which is gone after close', async () => {
  const server = await startPostgres()
  const [row] = await query<{ data_directory: string }>(server.adminUrl, 'SHOW data_directory')
  const data = String(row?.data_directory)
  expect(existsSync(data)).toBe(true)
  await server.close()
  expect(existsSync(data)).toBe(false)
})

test.runIf(process.getuid?.() === 0)('as root a data folder that only root can enter still keeps its data', async () => {
  const dataDir = await temporary()
  await chmod(dataDir, 0o700)
  const first = await startPostgres({ dataDir })
  onTestFinished(() => rm(dirname(first.folder), { recursive: true, force: true }))
  await query(first.adminUrl, 'CREATE TABLE kept AS SELECT 42 AS answer')
  await first.close()
  const second = await startPostgres({ dataDir })
  onTestFinished(() => second.close())
  expect(await query(second.adminUrl, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
})

test('the server listens on loopback only', async ({ skip }) => {
  const outside = Object.values(networkInterfaces()).flat().find(address => address && !address.internal && address.family === 'IPv4')
  if (!outside) return skip('this machine has no other interface')
  const server = await startPostgres()
  onTestFinished(() => server.close())
  const error = await new Promise<NodeJS.ErrnoException | undefined>(resolve => {
    const socket = connect(Number(new URL(server.adminUrl).port), outside.address, () => { socket.destroy(); resolve(undefined) })
    socket.once('error', resolve)
  })
  expect(error?.code).toBe('ECONNREFUSED')
})
