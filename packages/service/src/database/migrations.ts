import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A folder of numbered SQL files, and whose they are: a service's name, or `@pair/service/<folder>` for the tables of this package. */
export interface Migrations { owner: string, files: Migration[] }

export interface Migration {
  owner: string
  /** The file's name without `.sql`: `0001_users`. */
  name: string
  /** SHA-256 of its text. */
  hash: string
  sql: string
  /** Tables that it creates, as written. */
  tables: string[]
  /** The hash under which drizzle's list has it, in databases that earlier versions made: the line `-- drizzle: <hash>`. */
  drizzleHash?: string
}

/** A row of `schema_migrations`. */
export interface Applied { owner: string, name: string, hash: string }

/** Something that an operator or a developer has to put right. The message is one line, without a value of anybody's data. */
export class MigrationError extends Error {}

const packageOwner = '@pair/service/'

/** Whether an owner of migrations is this package, and no service. */
export const isOfPackage = (owner: string): boolean => owner.startsWith(packageOwner)

const packageFolder = new URL('../../migrations/', import.meta.url)

/**
 * Reads the tables of this package (outbox, inbox), then the service's own folder; a service may have none.
 *
 * @throws MigrationError where a folder cannot be read, or its files are not in one order
 */
export async function readMigrations (service: string, folder: string): Promise<Migrations[]> {
  try {
    const ours = (await readdir(packageFolder)).sort()
    return await Promise.all([
      ...ours.map(async name => await readFolder(packageOwner + name, fileURLToPath(new URL(name, packageFolder)))),
      readFolder(service, folder)
    ])
  } catch (error) {
    if (error instanceof MigrationError) throw error
    throw new MigrationError(`the migrations cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

async function readFolder (owner: string, folder: string): Promise<Migrations> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  names.sort()
  names.forEach((name, index) => {
    if (!/^\d{4}_\w+\.sql$/.test(name)) throw new MigrationError(`${name} is not the name of a migration: four digits, what it does, .sql, as in 0001_users.sql`)
    if (numberOf(name) === numberOf(names[index - 1] ?? '')) throw new MigrationError(`two migrations have the number ${numberOf(name)}: ${names[index - 1]} and ${name}`)
  })
  return { owner, files: await Promise.all(names.map(async name => await readMigration(owner, name, join(folder, name)))) }
}

async function readMigration (owner: string, file: string, path: string): Promise<Migration> {
  const sql = (await readFile(path, 'utf8')).replaceAll('\r\n', '\n') // as checked out on Windows
  const drizzleHash = /^-- drizzle: ([0-9a-f]{64})\b/m.exec(sql)?.[1]
  const tables = [...sql.replace(/--.*/g, '').matchAll(/\bcreate table (?:if not exists )?("[^"]+"|[\w.]+)/gi)].map(([, name = '']) => name)
  return {
    owner, name: file.slice(0, -'.sql'.length), hash: createHash('sha256').update(sql).digest('hex'), sql, tables, ...(drizzleHash !== undefined && { drizzleHash })
  }
}

const numberOf = (name: string) => name.slice(0, 4)

/**
 * What is left to apply, in order. A database may be newer than this code (an old replica that starts again in the middle of
 * a rolling update): newer migrations that are not in a folder are fine, and so is an owner that is not known yet.
 *
 * @throws MigrationError where folder and database cannot be of the same history, so that applying the rest would be a guess
 */
export function pendingMigrations (migrations: Migrations[], applied: Applied[]): Migration[] {
  const owners = new Set(migrations.map(({ owner }) => owner))
  const stranger = applied.find(({ owner }) => !owners.has(owner) && !isOfPackage(owner))
  if (stranger) throw new MigrationError(`the database belongs to another service: ${stranger.owner}`)
  return migrations.flatMap(({ owner, files }) => pendingOf(files, applied.filter(row => row.owner === owner)))
}

function pendingOf (files: Migration[], applied: Applied[]): Migration[] {
  const hashes = new Map(applied.map(({ name, hash }) => [name, hash]))
  const changed = files.find(({ name, hash }) => (hashes.get(name) ?? hash) !== hash)
  if (changed) throw new MigrationError(`the migration ${changed.name} was changed after it had been applied`)

  const newest = numberOf(files.at(-1)?.name ?? '')
  const known = new Set(files.map(({ name }) => name))
  const unknown = applied.find(({ name }) => !known.has(name) && numberOf(name) <= newest)
  if (unknown) throw new MigrationError(`the database has a migration that this service does not have: ${unknown.name}`)

  const pending = files.filter(({ name }) => !hashes.has(name))
  const last = applied.map(({ name }) => numberOf(name)).sort().at(-1) ?? ''
  const late = pending.find(({ name }) => numberOf(name) <= last)
  if (late) throw new MigrationError(`the migration ${late.name} comes before one that was applied: give it a number above ${last}`)
  return pending
}

/**
 * What a database that earlier versions made with drizzle-kit's files has applied, by the hashes of drizzle's list.
 *
 * @throws MigrationError where a row of the list is in no file here
 */
export function appliedByDrizzle (migrations: Migrations[], hashes: string[]): Migration[] {
  const files = migrations.flatMap(({ files }) => files)
  const service = migrations.at(-1)?.files ?? []
  if (hashes.length > 0 && !service.some(({ drizzleHash }) => hashes.includes(drizzleHash ?? ''))) {
    throw new MigrationError('the database belongs to another service: none of the migrations in drizzle.__drizzle_migrations is one of this service')
  }
  const unknown = hashes.find(hash => !files.some(({ drizzleHash }) => drizzleHash === hash))
  if (unknown !== undefined) throw new MigrationError(`drizzle.__drizzle_migrations has ${unknown}, which no migration here names in a line "-- drizzle: ${unknown}"`)
  return files.filter(({ drizzleHash }) => drizzleHash !== undefined && hashes.includes(drizzleHash))
}
