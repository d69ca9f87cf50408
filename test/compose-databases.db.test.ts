import { execFile, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { query } from '@pair/dev'
import { expect, inject, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'

// What the service "databases" of docker-compose.yml does, on the suite's PostgreSQL.

const noPsql = spawnSync('psql', ['--version']).status !== 0 && 'needs psql'

/** Runs it for these folders of services. */
async function createDatabases (manifests: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'compose-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [name, text] of Object.entries(manifests)) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'package.json'), text)
  }
  const { entrypoint: [command = '', ...args], command: [script = ''] } = parse(await readFile(new URL('../docker-compose.yml', import.meta.url), 'utf8')).services.databases
  const { hostname, port, username, password } = new URL(inject('databaseUrl'))
  const env = { PATH: process.env.PATH, PGHOST: hostname, PGPORT: port, PGUSER: username, PGPASSWORD: decodeURIComponent(password) }
  await promisify(execFile)(command, [...args, script.replaceAll('$$', '$')], { cwd: folder, env })
}

test.skipIf(noPsql)('docker compose up creates what a service\'s manifest asks for, also beside databases that are there already', async () => {
  const [first, second, stateless] = [1, 2, 3].map(() => `mail-${randomBytes(6).toString('hex')}`) as [string, string, string]
  const database = (name: string) => `${name.replaceAll('-', '_')}_service`
  const urlOf = (name: string, of = name) => {
    const url = new URL(inject('databaseUrl'))
    Object.assign(url, { username: database(name), password: name, pathname: `/${database(of)}` })
    return url.href
  }
  onTestFinished(async () => {
    for (const name of [first, second]) {
      await query(inject('databaseUrl'), `DROP DATABASE IF EXISTS ${database(name)} WITH (FORCE)`)
      await query(inject('databaseUrl'), `DROP ROLE IF EXISTS ${database(name)}`)
    }
  })
  const stored = '{ "service": { "port": 1, "database": true } }'
  await createDatabases({ [first]: stored })
  await query(urlOf(first), 'CREATE TABLE kept AS SELECT 42 AS answer')

  await createDatabases({ [first]: stored, [second]: '{ "service": {\n "database" :\ttrue, "port": 2 } }', [stateless]: '{ "service": { "port": 3 }, "other": { "database": true } }' })
  expect(await query(urlOf(first), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
  await query(urlOf(second), 'CREATE TABLE own (id int)')
  await expect(query(urlOf(second, first), 'SELECT 1')).rejects.toThrow('permission denied')
  expect(await query(inject('databaseUrl'), `SELECT 1 FROM pg_database WHERE datname = '${database(stateless)}'`)).toEqual([])
})
