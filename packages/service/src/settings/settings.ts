import { isIP } from 'node:net'
import { envSchema } from 'env-schema'
import { connection, readVariable, type Connection } from '@pair/kafka/connection'
import { Type, type Static, type TProperties } from 'typebox'
import { connectionOf } from '../database/connection.js'

const schema = Type.Object({
  // No host names: the lookup of a wrong name can delay the start by many seconds.
  HOST: Type.String({ default: '127.0.0.1', description: 'an IP address or localhost' }),
  PORT: Type.Integer({ minimum: 0, maximum: 65535, description: 'a port, 0 to 65535' }),
  ADMIN_PORT: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, description: 'a port, 1 to 65535' })),
  // Leaves 136 of Kafka's 249 characters for a topic name followed by `.dlq.replayed`.
  KAFKA_PREFIX: Type.String({ default: '', pattern: '^[a-zA-Z0-9._-]{0,100}$', description: 'letters, digits, ".", "_" and "-", at most 100' }),
  KAFKA_SESSION_TIMEOUT_MS: Type.Integer({ default: 10_000, minimum: 1000, maximum: 300_000, description: 'milliseconds, 1000 to 300000' }),
  KAFKA_FETCH_WAIT_MAX_MS: Type.Integer({ default: 500, minimum: 0, maximum: 30_000, description: 'milliseconds, 0 to 30000' }),
  DATABASE_URL: Type.String({ description: 'postgres://user:password@host:port/database' }),
  SHUTDOWN_DELAY_MS: Type.Integer({ default: 0, minimum: 0, maximum: 600_000, description: 'milliseconds, 0 to 600000' }),
  SHUTDOWN_GRACE_MS: Type.Integer({ default: 10_000, minimum: 100, maximum: 600_000, description: 'milliseconds, 100 to 600000' }),
  KEEP_ALIVE_TIMEOUT_MS: Type.Integer({ default: 72_000, minimum: 1000, maximum: 3_600_000, description: 'milliseconds, 1000 to 3600000' }),
  LOG_LEVEL: Type.String({ default: 'info', pattern: '^(fatal|error|warn|info|debug|trace|silent)$', description: 'fatal, error, warn, info, debug, trace or silent' })
})

/** The settings common to all services except the connection to Kafka, and the setting of the command `migrate`. */
export const settingNames: readonly string[] = [...Object.keys(schema.properties), 'MIGRATION_DATABASE_URL']

/** The settings of a service. It adds its own by declaration merging, and exports their schemas as `settings` from its app.ts. */
export interface Settings extends Static<typeof schema> {
  /** The connection to Kafka. */
  kafka: Connection
}

/**
 * Reads the settings from the environment; no other file does. Each setting may come from a file (`<name>_FILE`).
 *
 * @throws Error that names each invalid variable and the expected value. It never quotes the given value, which may be a
 * database URL with a password.
 */
export function readSettings ({ PORT, hasDatabase = true, own = {} }: { PORT: number, hasDatabase?: boolean, own?: TProperties }, env: NodeJS.ProcessEnv = process.env): Settings {
  // A copy, because env-schema modifies the schema.
  const all = Type.Object({ ...schema.properties, ...own })
  const copy = structuredClone(all)
  copy.properties.PORT = { ...copy.properties.PORT, default: PORT } as typeof copy.properties.PORT
  if (!hasDatabase) copy.properties.DATABASE_URL = { ...copy.properties.DATABASE_URL, default: '' } as typeof copy.properties.DATABASE_URL
  const data = Object.fromEntries(Object.keys(copy.properties).flatMap(name => {
    const value = readVariable(env, name)
    return value === undefined ? [] : [[name, value]]
  }))
  const wrong: string[] = []
  let settings = data as unknown as Static<typeof schema>
  try {
    settings = envSchema<Static<typeof schema>>({ schema: copy, data, env: false })
    wrong.push(...refusals(settings, hasDatabase))
  } catch (cause) {
    const { errors } = cause as { errors?: EnvError[] }
    if (errors === undefined) throw cause
    wrong.push(...new Set(errors.map(error => `${mustBe(nameOf(error), own)}${error.params.missingProperty === undefined ? '' : ', and is not set'}`)))
  }
  const kafka = attempt(() => connection(env))
  if (kafka.failure !== undefined) wrong.push(kafka.failure)
  if (kafka.value === undefined || wrong.length > 0) throw new Error(wrong.join('; '))
  return { ...settings, kafka: kafka.value }
}

/** The database URL for the command `migrate`: MIGRATION_DATABASE_URL, or else DATABASE_URL. @throws like `readSettings` */
export function readMigrationUrl (env: NodeJS.ProcessEnv = process.env): string {
  const own = readVariable(env, 'MIGRATION_DATABASE_URL')
  const url = own || (readVariable(env, 'DATABASE_URL') ?? '')
  const { failure } = attempt(() => connectionOf(url))
  if (failure !== undefined) throw new Error(`${own ? 'MIGRATION_' : ''}${mustBe('DATABASE_URL')} (${failure})`)
  return url
}

/** Checks that the schema cannot express. */
function refusals ({ HOST, DATABASE_URL }: Static<typeof schema>, hasDatabase: boolean): string[] {
  const { failure } = hasDatabase ? attempt(() => connectionOf(DATABASE_URL)) : {} // the same function parses it for the connection
  return [
    ...(isIP(HOST) > 0 || HOST === 'localhost' ? [] : [mustBe('HOST')]),
    ...(failure === undefined ? [] : [`${mustBe('DATABASE_URL')} (${failure})`])
  ]
}

interface EnvError { instancePath: string, params: { missingProperty?: string } }

function nameOf (error: EnvError): string {
  return error.params.missingProperty ?? error.instancePath.slice(1)
}

function attempt<Value> (read: () => Value): { value?: Value, failure?: string } {
  try {
    return { value: read() }
  } catch (error) {
    return { failure: (error as Error).message }
  }
}

function mustBe (name: string, own: TProperties = {}): string {
  const expected = ({ ...schema.properties, ...own } as Record<string, { description?: string }>)[name]?.description ?? 'another value'
  return `${name} must be ${expected}`
}
