import { describeError } from '../logging/errors.js'
import { readMigrationUrl } from '../settings/settings.js'
import { migrateDatabase } from '../database/migrate.js'
import { MigrationError } from '../database/migrations.js'

/**
 * Brings a service's database up to date, with a line for each step: with a role that may do so, where the service's own may not.
 *
 * @returns the exit code: 0 the database is up to date, 1 somebody has to put something right first, 2 a setting is wrong,
 * 3 the database is away
 */
export async function migrateCommand (name: string, folder: string): Promise<number> {
  let url: string
  try {
    url = readMigrationUrl()
  } catch (error) {
    process.stderr.write(`${name}: ${(error as Error).message}\n`)
    return 2
  }
  const say = (line: string) => process.stdout.write(`${name}: ${line}\n`)
  try {
    await migrateDatabase(url, name, folder, {
      onMigration: (migration, step) => say(`migration ${migration} ${step}`),
      onWaiting: () => say('waiting for another replica to apply the migrations')
    })
    say('the database is up to date')
    return 0
  } catch (error) {
    const isRefused = error instanceof MigrationError
    process.stderr.write(`${name}: ${isRefused ? error.message : `the database is away: ${describeError(error)}`}\n`)
    return isRefused ? 1 : 3
  }
}
