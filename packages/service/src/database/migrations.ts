import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A folder of numbered SQL files and its owner: a service's name, or `@pair/service/<folder>` for the tables of this package. */
export interface Migrations { owner: string, files: Migration[] }

export interface Migration {
  owner: string
  /** The file's name without `.sql`: `0001_users`. */
  name: string
  /** SHA-256 of the file's text. */
  hash: string
  sql: string
  /** Names of the tables that it creates, as written in the SQL. */
  tables: string[]
  /** Its hash in drizzle's table, for databases created by earlier versions: from the line `-- drizzle: <hash>`. */
  drizzleHash?: string
}

/** A row of `schema_migrations`. */
export interface Applied { owner: string, name: string, hash: string }

/** A problem that an operator or a developer must fix. The message is one line and quotes no data. */
export class MigrationError extends Error {}

const packageOwner = '@pair/service/'

/** Whether an owner of migrations is this package rather than a service. */
export const isOfPackage = (owner: string): boolean => owner.startsWith(packageOwner)

const packageFolder = new URL('../../migrations/', import.meta.url)

/**
 * Reads the migrations of this package (outbox, inbox), then those of the service, which may have none.
 *
 * @throws MigrationError if a folder cannot be read, or file names are invalid or share a number
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
    if (!/^\d{4}_\w+\.sql$/.test(name)) throw new MigrationError(`${name} is not the name of a migration: four digits, "_", a description, ".sql", as in 0001_users.sql`)
    if (numberOf(name) === numberOf(names[index - 1] ?? '')) throw new MigrationError(`two migrations have the number ${numberOf(name)}: ${names[index - 1]} and ${name}`)
  })
  return { owner, files: await Promise.all(names.map(async name => await readMigration(owner, name, join(folder, name)))) }
}

async function readMigration (owner: string, file: string, path: string): Promise<Migration> {
  const sql = (await readFile(path, 'utf8')).replaceAll('\r\n', '\n') // line ends of a checkout on Windows
  const drizzleHash = /^-- drizzle: ([0-9a-f]{64})\b/m.exec(sql)?.[1]
  const tables = [...sql.replace(/--.*/g, '').matchAll(/\bcreate table (?:if not exists )?("[^"]+"|[\w.]+)/gi)].map(([, name = '']) => name)
  return {
    owner, name: file.slice(0, -'.sql'.length), hash: createHash('sha256').update(sql).digest('hex'), sql, tables, ...(drizzleHash !== undefined && { drizzleHash })
  }
}

const numberOf = (name: string) => name.slice(0, 4)

/**
 * Returns the pending migrations in order. The database may be newer than this code, if an old replica restarts during a
 * rolling update: newer migrations that are missing in a folder are accepted, and so is an unknown owner in this package.
 *
 * @throws MigrationError if the histories of folder and database do not match
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
 * Returns the migrations that earlier versions applied with drizzle-kit, by the hashes in drizzle's table.
 *
 * @throws MigrationError if a hash belongs to no file here
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
