import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** A topic of a system's contract, and the name of its exported constant. */
export interface ContractTopic {
  /** "user_register" */
  topic: string
  /** "userRegister" */
  constant: string
}

/** A service to generate. */
export interface NewService {
  name: string
  /** Path relative to the repository. */
  folder: string
  system: string
  receives: ContractTopic[]
  sends: ContractTopic[]
  hasDatabase: boolean
}

/** The folder of a system's contract, relative to the repository. */
export const contractFolder = (system: string): string => join(system, 'shared-topics')

/** The package of a system's contract: @pair/shared-topics, @pair/music-shared-topics. */
export const contractPackage = (system: string): string => `@pair/${systemPrefix(system)}shared-topics`

/** examples/music → music- */
export const systemPrefix = (system: string): string => system === '' ? '' : `${system.replace('examples/', '')}-`

/** The script of a service in the root's package.json: user, music:player. */
export const scriptOf = (system: string, name: string): string => `${systemPrefix(system).replace(/-$/, ':')}${name}`

/**
 * Reads the compiled contract.
 *
 * @throws Error with a message of one line if there is none
 */
export async function readContract (repository: string, system: string): Promise<ContractTopic[]> {
  const folder = contractFolder(system)
  const module = join(repository, folder, 'dist', 'index.js')
  if (!existsSync(module)) throw new Error(`there is no contract in ${folder}: create it with npm run new-topic <name> -- --in ${system || '.'}`)
  const exported = await import(pathToFileURL(module).href) as Record<string, unknown>
  return Object.entries(exported).flatMap(([constant, value]) => isTopic(value) ? [{ constant, topic: value.name }] : [])
}

/**
 * Finds topics of the contract by name.
 *
 * @throws Error with a message of one line that lists the existing topics
 */
export function findTopics (contract: ContractTopic[], names: string[], system: string): ContractTopic[] {
  return names.map(name => {
    const found = contract.find(({ topic }) => topic === name)
    if (found) return found
    throw new Error(`there is no topic ${name} in ${contractFolder(system)} (existing topics: ${contract.map(({ topic }) => topic).join(', ') || 'none'}); create it with npm run new-topic ${name}${system && ` -- --in ${system}`}`)
  })
}

function isTopic (value: unknown): value is { name: string } {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string' && 'partitions' in value && 'data' in value
}
