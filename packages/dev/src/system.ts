import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root folder of the repository. */
export const repository = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

/** A service, described by its folder and its manifest. */
export interface ServiceFolder {
  /** The folder's name: "user". */
  readonly name: string
  readonly folder: string
  readonly entry: string
  /** Default port, which the variable `portVariable` overrides. */
  readonly port: number
  /** "USER_PORT" */
  readonly portVariable: string
  /** "user_service"; undefined for a service without a database. */
  readonly database: string | undefined
  /** "USER_DATABASE_URL" */
  readonly databaseVariable: string
}

/** Services that are started together: the pair, or one of the examples. */
export interface System {
  readonly root: string
  readonly services: readonly ServiceFolder[]
  /** The text with commands to try, from "system" in its package.json: `{user}` stands for the port of the service user. */
  readonly ready: string
}

/**
 * Reads a system: each folder in `<root>/microservices` whose package.json has `"service": { "port": 3000, "database": true }`.
 *
 * @param root absolute, or relative to the repository
 * @throws Error with a message of one line that names the invalid file
 */
export function readSystem (root = ''): System {
  const folder = resolve(repository, root)
  const parent = join(folder, 'microservices')
  const names = existsSync(parent) ? readdirSync(parent).sort() : []
  const services = names.flatMap(name => readService(join(parent, name), name) ?? [])
  if (services.length === 0) throw new Error(`there is no service in ${fromRepository(parent)}: none of its folders has a package.json with "service"`)
  for (const service of services) {
    const other = services.find(({ name, port }) => port === service.port && name !== service.name)
    if (other) throw new Error(`${manifestOf(service)} and ${manifestOf(other)} name the same port (${service.port})`)
  }
  // Sorted by port, which is the order in which they were added.
  return { root: folder, services: services.sort((one, other) => one.port - other.port), ready: readyText(folder) }
}

function readService (folder: string, name: string): ServiceFolder | undefined {
  const path = join(folder, 'package.json')
  if (!existsSync(path)) return undefined
  const { service } = readJson(path) as { service?: { port?: unknown, database?: unknown } }
  if (service === undefined) return undefined
  const { port, database } = service
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error(`${fromRepository(path)} needs "service": { "port": 1 to 65535 }`)
  }
  const variable = name.toUpperCase().replaceAll('-', '_')
  return {
    name,
    folder,
    entry: join(folder, 'dist', 'server.js'),
    port,
    portVariable: `${variable}_PORT`,
    database: database === true ? `${name.replaceAll('-', '_')}_service` : undefined,
    databaseVariable: `${variable}_DATABASE_URL`
  }
}

function readyText (root: string): string {
  const path = join(root, 'package.json')
  const { system } = (existsSync(path) ? readJson(path) : {}) as { system?: { ready?: string[] } }
  return system?.ready?.join('\n') ?? ''
}

function readJson (path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new Error(`${fromRepository(path)} is not JSON`, { cause })
  }
}

const manifestOf = ({ folder }: ServiceFolder) => fromRepository(join(folder, 'package.json'))

/** The compiled entry file of a service, given by its name in the pair, or by its folder's path in the repository. */
export const entryOf = (name: string): string => join(repository, name.includes('/') ? name : join('microservices', name), 'dist', 'server.js')

/** A path relative to the repository, for messages. */
export const fromRepository = (path: string): string => relative(repository, path) || '.'
