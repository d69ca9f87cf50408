import { isIP } from 'node:net'
import { envSchema } from 'env-schema'
import { Type, type Static } from 'typebox'

const address = '(\\[[0-9a-fA-F:]+\\]|[^\\s,:/[\\]]+):[0-9]{1,5}'

const schema = Type.Object({
  // Addresses only: looking up a wrong name can take longer than a start may.
  HOST: Type.String({ default: '127.0.0.1', description: 'an IP address or localhost' }),
  PORT: Type.Integer({ minimum: 0, maximum: 65535, description: 'a port, 0 to 65535' }),
  KAFKA_BROKERS: Type.String({ pattern: `^${address}(,${address})*$`, description: 'host:port,host:port' }),
  KAFKA_SESSION_TIMEOUT_MS: Type.Integer({ default: 10_000, minimum: 1000, maximum: 300_000, description: 'milliseconds, 1000 to 300000' }),
  DATABASE_URL: Type.String({ pattern: '^postgres(ql)?://[^/\\s]+/[^/\\s]+$', description: 'postgres://user:password@host:port/database' }),
  SHUTDOWN_GRACE_MS: Type.Integer({ default: 10_000, minimum: 100, maximum: 600_000, description: 'milliseconds, 100 to 600000' }),
  LOG_LEVEL: Type.String({ default: 'info', pattern: '^(fatal|error|warn|info|debug|trace|silent)$', description: 'fatal, error, warn, info, debug, trace or silent' })
})

export type Settings = Static<typeof schema>

/**
 * Reads the environment; no other file does.
 *
 * @throws one Error whose message names each variable that is wrong and what is expected, never what was given:
 * a database URL holds a password.
 */
export function readSettings (defaults: { PORT: number }, data: NodeJS.ProcessEnv = process.env): Settings {
  // env-schema marks the schema it gets, and fills in defaults.
  const copy = structuredClone(schema)
  copy.properties.PORT = { ...copy.properties.PORT, default: defaults.PORT } as typeof copy.properties.PORT
  let settings: Settings
  try {
    settings = envSchema<Settings>({ schema: copy, data, env: false })
  } catch (cause) {
    const { errors } = cause as { errors?: EnvError[] }
    if (errors === undefined) throw cause
    throw new Error(wrong(errors.map(nameOf)), { cause })
  }
  const names = [
    ...(isIP(settings.HOST) > 0 || settings.HOST === 'localhost' ? [] : ['HOST']),
    ...(settings.KAFKA_BROKERS.split(',').every(broker => isPort(broker.slice(broker.lastIndexOf(':') + 1))) ? [] : ['KAFKA_BROKERS']),
    ...(URL.canParse(settings.DATABASE_URL) ? [] : ['DATABASE_URL'])
  ]
  if (names.length > 0) throw new Error(wrong(names))
  return settings
}

interface EnvError { instancePath: string, params: { missingProperty?: string } }

function nameOf (error: EnvError): string {
  return error.params.missingProperty ?? error.instancePath.slice(1)
}

function isPort (text: string): boolean {
  return Number(text) >= 1 && Number(text) <= 65535
}

function wrong (names: string[]): string {
  const expected = (name: string) => (schema.properties as Record<string, { description?: string }>)[name]?.description ?? 'another value'
  return [...new Set(names)].map(name => `${name} must be ${expected(name)}`).join('; ')
}
