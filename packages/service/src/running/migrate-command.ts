import { describeError } from '../logging/errors.js'
import { readMigrationUrl } from '../settings/settings.js'
import { migrateDatabase } from '../database/migrate.js'
import { MigrationError } from '../database/migrations.js'

/**
 * Runs the command `migrate`: applies the pending migrations and prints a line for each. MIGRATION_DATABASE_URL may name a role
 * that has the permission if the service's own role has not.
 *
 * @returns the exit code: 0 the database is up to date, 1 an operator must act first, 2 a setting is wrong, 3 the database is
 * unreachable
 */
export async function migrateCommand (name: string, folder: string): Promise<number> {
  let url: string
  try {
    url = readMigrationUrl()
  } catch (error) {
    process.stderr.write(`${name}: ${(error as Error).message}\n`)
    return 2
  }
  const print = (line: string) => process.stdout.write(`${name}: ${line}\n`)
  try {
    await migrateDatabase(url, name, folder, {
      onMigration: (migration, step) => print(`migration ${migration} ${step}`),
      onWaiting: () => print('waiting for another replica to apply the migrations')
    })
    print('the database is up to date')
    return 0
  } catch (error) {
    const isRefused = error instanceof MigrationError
    process.stderr.write(`${name}: ${isRefused ? error.message : `the database is away: ${describeError(error)}`}\n`)
    return isRefused ? 1 : 3
  }
}
