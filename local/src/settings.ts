/** What the launcher is told by environment variables. */
export interface LauncherSettings {
  userPort: number
  profilePort: number
  /** Of a broker that runs already. */
  brokers: string | undefined
  /** Of databases that exist already: both or neither. */
  databases: { user: string, profile: string } | undefined
  dataDir: string
}

/**
 * Reads the launcher's settings; the services check what is handed on to them in full.
 *
 * @throws with one line that names the setting at fault
 */
export function readSettings (env: NodeJS.ProcessEnv): LauncherSettings {
  const userPort = port(env, 'USER_PORT', 3000)
  const profilePort = port(env, 'PROFILE_PORT', 3001)
  if (userPort === profilePort) throw new Error(`USER_PORT and PROFILE_PORT are the same (${userPort})`)
  return {
    userPort,
    profilePort,
    brokers: brokers(env),
    databases: databases(env),
    dataDir: dataDir(env)
  }
}

/** Where the embedded PostgreSQL keeps its data. */
export function dataDir (env: NodeJS.ProcessEnv): string {
  return env['DATA_DIR'] || '.data'
}

function port (env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name]
  if (!text) return fallback
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > 65_535) throw new Error(`${name} must be a port from 1 to 65535, not "${text}"`)
  return value
}

function brokers (env: NodeJS.ProcessEnv): string | undefined {
  const text = env['KAFKA_BROKERS']
  if (!text) return undefined
  const valid = text.split(',').every(broker => /^\s*([^\s:]+|\[[0-9a-fA-F:]+\]):\d+\s*$/.test(broker))
  if (!valid) throw new Error(`KAFKA_BROKERS must be host:port, or several with commas between, not "${text}"`)
  return text
}

function databases (env: NodeJS.ProcessEnv): LauncherSettings['databases'] {
  const user = env['USER_DATABASE_URL']
  const profile = env['PROFILE_DATABASE_URL']
  if (!user && !profile) return undefined
  if (!user || !profile) {
    const [missing, given] = user ? ['PROFILE_DATABASE_URL', 'USER_DATABASE_URL'] : ['USER_DATABASE_URL', 'PROFILE_DATABASE_URL']
    throw new Error(`${missing} is missing: ${given} is set, and both are needed or neither`)
  }
  for (const [name, url] of [['USER_DATABASE_URL', user], ['PROFILE_DATABASE_URL', profile]] as const) {
    // The value is not repeated: it may hold a password.
    if (!URL.canParse(url) || !/^postgres(ql)?:/.test(url)) throw new Error(`${name} must be a postgres:// URL`)
  }
  return { user, profile }
}
