import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** What is derived from a service's folder and its package.json. */
export interface ServiceManifest {
  /** From the folder: "user-service". Also `client.id`, `group.id` and, with a slash before it, the `source` of its events. */
  name: string
  folder: string
  /** Where it listens, unless `PORT` says otherwise. */
  port: number
  hasDatabase: boolean
}

/**
 * Reads the manifest of the service whose compiled entry is `<folder>/dist/server.js`: its package.json, with
 * `"service": { "port": 3000, "database": true }`.
 *
 * @throws one Error that names the file and what is wrong in it
 */
export function readManifest (entry: string): ServiceManifest {
  const folder = dirname(dirname(entry))
  const path = join(folder, 'package.json')
  const { service } = JSON.parse(readFileSync(path, 'utf8')) as { service?: { port?: unknown, database?: unknown } }
  const port = service?.port
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535) throw new Error(`${path} needs "service": { "port": 1 to 65535 }`)
  return { name: `${basename(folder)}-service`, folder, port, hasDatabase: service?.database === true }
}
