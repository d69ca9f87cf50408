import type pg from 'pg'
import { appliedByDrizzle, isOfPackage, MigrationError, type Applied, type Migration, type Migrations } from './migrations.js'

const allRights = ['select', 'insert', 'update', 'delete']
/** Time limit in ms of the queries around a migration. The migration itself has none. */
const checkTimeoutMs = 5000

/** Runs a query with a time limit of 5 s. (`query_timeout` is missing in pg's types.) */
export async function queryWithTimeout<Row extends object> (client: pg.Client, text: string, values: unknown[] = []): Promise<Row[]> {
  const query = { text, values, query_timeout: checkTimeoutMs } as pg.QueryConfig
  return (await client.query<Row>(query)).rows
}

/** Reads the applied migrations; `isThere` is false if the table schema_migrations does not exist yet. */
export async function readHistory (client: pg.Client, migrations: Migrations[]): Promise<{ isThere: boolean, applied: Applied[] }> {
  const isThere = await isReadable(client, 'schema_migrations', 'grant select on it')
  if (isThere) return { isThere, applied: await queryWithTimeout<Applied>(client, 'select owner, name, hash from schema_migrations') }
  const isDrizzles = await isReadable(client, 'drizzle.__drizzle_migrations', 'grant usage on schema drizzle and select on that table')
  const rows = isDrizzles ? await queryWithTimeout<{ hash: string }>(client, 'select hash from drizzle.__drizzle_migrations') : []
  return { isThere, applied: appliedByDrizzle(migrations, rows.map(({ hash }) => hash)) }
}

/**
 * Creates schema_migrations in the transaction of the first migration, and copies the entries of drizzle's table into it.
 * Drizzle's table stays unchanged, because replicas of the previous version still read it.
 */
export async function createHistory (client: pg.Client, applied: Applied[]): Promise<void> {
  await client.query(`create table schema_migrations (
    owner text not null, name text not null, hash text not null, applied_at timestamptz not null default now(), primary key (owner, name))`)
  for (const migration of applied) await addToHistory(client, migration)
}

export async function addToHistory (client: pg.Client, { owner, name, hash }: Applied): Promise<void> {
  await client.query('insert into schema_migrations (owner, name, hash) values ($1, $2, $3)', [owner, name, hash])
}

/**
 * Checks that the tables created by the migrations exist and that the role has permissions on them: all on this package's
 * tables, at least select and insert on the service's own. Tables that a later migration drops or renames are not checked.
 *
 * @throws MigrationError that names the table
 */
export async function checkTables (client: pg.Client, migrations: Migrations[]): Promise<void> {
  const tables = migrations.flatMap(({ owner, files }) => lastingTables(files).map(name => ({ name, rights: isOfPackage(owner) ? allRights : allRights.slice(0, 2) })))
  const rows = await queryWithTimeout<{ name: string, isThere: boolean, isOurs: boolean }>(client, `
    select name, id is not null as "isThere", (select bool_and(has_table_privilege(id, needed)) from json_array_elements_text(rights) needed) as "isOurs"
    from json_to_recordset($1) as t (name text, rights json), to_regclass(name) id`, [JSON.stringify(tables)])
  for (const { name, isThere, isOurs } of rows) {
    if (!isThere) throw new MigrationError(`the table ${name} is missing, although all migrations have been applied`)
    if (!isOurs) throw new MigrationError(`the role may not read and write the table ${name}: grant select, insert, update and delete on it`)
  }
}

function lastingTables (files: Migration[]): string[] {
  return files.flatMap(({ tables }, index) => tables.filter(table => {
    const name = `[^;]*${table.replaceAll('.', '\\.')}`
    const isGone = new RegExp(`\\bdrop table${name}|\\balter table${name}[^;]* (rename to|set schema) `, 'i')
    return !files.slice(index + 1).some(({ sql }) => isGone.test(sql))
  }))
}

async function isReadable (client: pg.Client, table: string, hint: string): Promise<boolean> {
  const [row] = await queryWithTimeout<{ isReadable: boolean }>(client, `
    select has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as "isReadable"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = coalesce($1, current_schema()) and c.relname = $2`, [table.split('.').at(-2) ?? null, table.split('.').at(-1)])
  if (row?.isReadable === false) throw new MigrationError(`the role may not read ${table}: ${hint}`)
  return row !== undefined
}
