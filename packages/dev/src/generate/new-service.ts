import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ServiceArguments } from './arguments.js'
import { Changes } from './changes.js'
import { contractPackage, findTopics, readContract, scriptOf, systemPrefix, type NewService } from './contract.js'
import { deploymentSteps } from './deployment-steps.js'
import { kebabCase } from './names.js'
import { composeFile, registerService } from './registrations.js'
import { serviceFiles } from './service-files.js'
import { addWorkspace, linkWorkspace, versionsOf } from './manifests.js'

/** Names that npm runs as scripts when it installs or publishes, and "dist", which Git ignores. */
const RESERVED = ['dependencies', 'dist', 'install', 'prepare', 'publish', 'version']

/** Ports that other programs on a developer's machine often use, in addition to those that docker-compose.yml publishes. */
const TAKEN_PORTS = [3002, 8080, 9090, 9092]

/**
 * Writes the files of a service, and its entries that no tool can derive: TypeScript's references, npm's scripts and lock file,
 * Compose, Prometheus. Checks everything first, so that either all is written or nothing.
 *
 * @returns the text to print
 * @throws Error with a message of one line
 */
export async function newService (repository: string, { name, receives, sends, hasDatabase, system }: ServiceArguments): Promise<string> {
  const changes = new Changes(repository)
  const folder = join(system, 'microservices', name)
  const manifest = { name: `@pair/${systemPrefix(system)}${name}`, script: scriptOf(system, name) }
  expectFree(repository, changes, folder, manifest)
  const contract = await readContract(repository, system)
  const service: NewService = {
    name, folder, system, hasDatabase, receives: findTopics(contract, receives, system), sends: findTopics(contract, sends, system)
  }
  const port = freePort(changes, system)

  const needed = ['fastify', ...sends.length > 0 ? ['@fastify/type-provider-typebox', 'typebox'] : []]
  addWorkspace(changes, folder, {
    name: manifest.name,
    version: '1.0.0',
    private: true,
    type: 'module',
    service: { port, database: hasDatabase },
    dependencies: sorted({ '@pair/service': '1.0.0', [contractPackage(system)]: '1.0.0', ...versionsOf(changes, 'packages/service/package.json', needed) })
  })
  for (const [path, text] of Object.entries(serviceFiles(service))) changes.create(join(folder, path), text)
  registerService(changes, { ...service, port, script: manifest.script })
  await changes.write()
  await linkWorkspace(repository, folder, manifest.name)

  const left = [...receives.map(topic => `${folder}/src/${kebabCase(topic)}-consumer.ts   the body of its handler`), ...sends.map(topic => `${folder}/src/${kebabCase(topic)}-route.ts   the change that is stored with its event`)]
  return [
    `Created the ${name} service, on port ${port}. Left to write:`,
    '',
    ...left.length > 0 ? left.map(line => `  ${line}`) : [`  ${folder}/src/app.ts   its routes`],
    ...hasDatabase ? [`  ${folder}/migrations/0001_….sql   its tables, if it has any`] : [],
    '',
    ...system === '' ? ['For Kubernetes and for alerts when it is gone (npm start and Compose need neither):', '', ...deploymentSteps(service, port).map(line => `  ${line}`), ''] : [],
    `npm start${system && ` ${system}`} starts it with the others; npm test -- ${name} runs its test.`
  ].join('\n')
}

/** @throws Error with a message of one line if the name is already used for something else */
function expectFree (repository: string, changes: Changes, folder: string, { name, script }: { name: string, script: string }): void {
  if (changes.exists(folder)) throw new Error(`${folder} already exists`)
  const { scripts } = JSON.parse(changes.read('package.json')) as { scripts: Record<string, string> }
  if (RESERVED.includes(script)) throw new Error(`${script} is taken: npm or Git uses this name`)
  if (script in scripts) throw new Error(`${script} is taken: npm run ${script} is another command`)
  const lock = JSON.parse(changes.read('package-lock.json')) as { packages: Record<string, unknown> }
  if (`node_modules/${name}` in lock.packages) throw new Error(`${script} is taken: there is a package ${name}`)
  const system = folder.replace(/\/?microservices\/[^/]+$/, '')
  if (system !== '' && !existsSync(join(repository, system))) throw new Error(`there is no system in ${system}: create it with npm run new-topic <name> -- --in ${system}`)
}

/** The lowest port from 3000 on that no service of the system uses and Compose does not publish. */
function freePort (changes: Changes, system: string): number {
  const services = new Set(manifests(changes, system).map(path => (JSON.parse(changes.read(path)) as { service?: { port?: number } }).service?.port))
  const compose = changes.exists(composeFile(system)) ? changes.read(composeFile(system)) : ''
  const published = [...compose.matchAll(/127\.0\.0\.1:(\d+):/g)].map(([, port]) => Number(port))
  const taken = new Set([...TAKEN_PORTS, ...services, ...published])
  for (let port = 3000; ; port++) if (!taken.has(port)) return port
}

function manifests (changes: Changes, system: string): string[] {
  return changes.list(join(system, 'microservices')).map(name => join(system, 'microservices', name, 'package.json')).filter(path => changes.exists(path))
}

const sorted = (entries: Record<string, string>) => Object.fromEntries(Object.entries(entries).sort(([one], [other]) => one.localeCompare(other, 'en')))
