import { join } from 'node:path'
import { connection, isConnectionGiven, type Connection } from '@pair/kafka/connection'
import type { System } from './system.js'

/** The launcher's settings, from environment variables. */
export interface LauncherSettings {
  /** Ports by the name of the service. */
  ports: ReadonlyMap<string, number>
  /** Connection to a running Kafka; undefined for the embedded broker. */
  kafka: Connection | undefined
  /** URLs of existing databases by the name of the service, for all services or none. */
  databases: ReadonlyMap<string, string> | undefined
  dataDir: string
}

/**
 * Reads the launcher's settings. The services validate the settings that are passed on to them.
 *
 * @throws Error with a message of one line that names the invalid setting
 */
export function readSettings (system: System, env: NodeJS.ProcessEnv): LauncherSettings {
  return {
    ports: ports(system, env),
    kafka: isConnectionGiven(env) ? connection(env) : undefined,
    databases: databases(system, env),
    dataDir: dataDir(system, env)
  }
}

/** The data folder of the embedded PostgreSQL, by default one for each system. */
export function dataDir ({ root }: System, env: NodeJS.ProcessEnv): string {
  return env['DATA_DIR'] || join(root, '.data')
}

function ports ({ services }: System, env: NodeJS.ProcessEnv): Map<string, number> {
  const found = new Map<number, string>()
  return new Map(services.map(({ name, portVariable, port: fallback }) => {
    const value = port(env, portVariable, fallback)
    const other = found.get(value)
    if (other !== undefined) throw new Error(`${other} and ${portVariable} are the same (${value})`)
    found.set(value, portVariable)
    return [name, value]
  }))
}

function port (env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name]
  if (!text) return fallback
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > 65_535) throw new Error(`${name} must be a port from 1 to 65535, not "${text}"`)
  return value
}

function databases ({ services }: System, env: NodeJS.ProcessEnv): LauncherSettings['databases'] {
  const stored = services.filter(({ database }) => database !== undefined)
  const given = stored.find(({ databaseVariable }) => env[databaseVariable])
  if (given === undefined) return undefined
  return new Map(stored.map(({ name, databaseVariable }) => {
    const url = env[databaseVariable]
    if (!url) throw new Error(`${databaseVariable} is missing: ${given.databaseVariable} is set, so all of them are needed`)
    // The message does not quote the value, which may contain a password.
    if (!URL.canParse(url) || !/^postgres(ql)?:/.test(url)) throw new Error(`${databaseVariable} must be a postgres:// URL`)
    return [name, url]
  }))
}
