import { join } from 'node:path'
import type { Changes } from './changes.js'
import { systemPrefix } from './contract.js'
import { upFrom } from './names.js'

export interface Registered {
  name: string
  folder: string
  system: string
  port: number
  hasDatabase: boolean
  /** "mailer", as in npm run mailer */
  script: string
}

export const composeFile = (system: string): string => join(system, 'docker-compose.yml')
export const prometheusFile = (system: string): string => join(system, 'observability', 'prometheus.yml')

/**
 * Adds a service's entries that no tool can derive. An example has a Compose file of its own, and may have no Prometheus.
 *
 * @throws Error with a message of one line if Compose has another service of that name
 */
export function registerService (changes: Changes, service: Registered): void {
  const { name, folder, system, port, script } = service
  changes.insertAfter('package.json', / "exec node scripts\/setup\.js (\S+\/)?microservices\/[^/]+\/dist\/server\.js",$/, `    "${script}": "exec node scripts/setup.js ${folder}/dist/server.js",`)
  if (!changes.exists(composeFile(system))) changes.create(composeFile(system), withoutServices(changes.read(composeFile(''))))
  if (new RegExp(`^  ${name}:`, 'm').test(changes.read(composeFile(system)))) throw new Error(`${script} is taken: ${composeFile(system)} has a service of that name`)
  changes.edit(composeFile(system), text => withBlock(text, composeFile(system), composeBlock(service)))
  if (system === '' || changes.exists(prometheusFile(system))) {
    changes.edit(prometheusFile(system), text => `${text.trimEnd()}\n${prometheusJob(name, port)}`)
  }
}

/** The pair's Compose file reduced to what any system needs: Kafka and PostgreSQL. */
function withoutServices (text: string): string {
  const [head = '', services = ''] = text.split('\nservices:\n')
  const kept = services.split(/\n\n(?= {2}\S)/).filter(block => /^ {4}image: \$\{(KAFKA|POSTGRES)_IMAGE/m.test(block))
  return `${head}\nservices:\n${kept.join('\n\n')}\n\nvolumes:\n  kafka:\n  postgres:\n`
}

/** Inserts a block after the last service that is built from this repository, or else after the databases. */
function withBlock (text: string, path: string, block: string): string {
  const lines = text.split('\n')
  const last = lines.findLastIndex(line => /^( {4}build: | {2}databases:)/.test(line))
  if (last < 0) throw new Error(`${path} has no service "databases", after which to insert a service`)
  lines.splice(lines.indexOf('', last), 0, ...block.split('\n'))
  return lines.join('\n')
}

function composeBlock ({ name, system, port, hasDatabase }: Registered): string {
  const context = system === '' ? '.' : upFrom(system)
  const database = `${name.replaceAll('-', '_')}_service`
  return `
  ${name}:
    <<: *service
    image: \${${name.toUpperCase().replaceAll('-', '_')}_IMAGE:-fastify-kafka-pair/${systemPrefix(system)}${name}}
    build: { context: ${context}, args: { <<: *build, ${system && `SYSTEM: ${system}, `}SERVICE: ${name} } }
    environment: ${hasDatabase ? `{ <<: *environment, DATABASE_URL: 'postgres://${database}:${name}@postgres:5432/${database}' }` : '*environment'}
    ports: ['127.0.0.1:${port}:${port}']`
}

function prometheusJob (name: string, port: number): string {
  return `  - job_name: ${name}-service
    dns_sd_configs: [{ names: [${name}], type: A, port: ${port}, refresh_interval: 5s }]
`
}
