import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** The settings of a service that come from its folder and its package.json. */
export interface ServiceManifest {
  /** "user-service" for the folder `user`. Also `client.id`, `group.id` and, with a slash in front, the `source` of its events. */
  name: string
  folder: string
  /** Default of the setting `PORT`. */
  port: number
  hasDatabase: boolean
}

/**
 * Reads the manifest of the service whose compiled entry is `<folder>/dist/server.js`: its package.json, with
 * `"service": { "port": 3000, "database": true }`.
 *
 * @throws Error that names the file and the invalid entry
 */
export function readManifest (entry: string): ServiceManifest {
  const folder = dirname(dirname(entry))
  const path = join(folder, 'package.json')
  const { service } = JSON.parse(readFileSync(path, 'utf8')) as { service?: { port?: unknown, database?: unknown } }
  const port = service?.port
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535) throw new Error(`${path} needs "service": { "port": 1 to 65535 }`)
  return { name: `${basename(folder)}-service`, folder, port, hasDatabase: service?.database === true }
}
