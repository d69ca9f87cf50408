import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** A topic of a system's contract, and what its module exports. */
export interface ContractTopic {
  /** "user_register" */
  topic: string
  /** "userRegister" */
  constant: string
}

/** A service that is to be made. */
export interface NewService {
  name: string
  /** Relative to the repository. */
  folder: string
  system: string
  receives: ContractTopic[]
  sends: ContractTopic[]
  hasDatabase: boolean
}

/** Where a system has its contract, relative to the repository. */
export const contractFolder = (system: string): string => join(system, 'shared-topics')

/** The package that a system's services import: @pair/shared-topics, @pair/music-shared-topics. */
export const contractPackage = (system: string): string => `@pair/${systemPrefix(system)}shared-topics`

/** examples/music → music- */
export const systemPrefix = (system: string): string => system === '' ? '' : `${system.replace('examples/', '')}-`

/** The script of a service in the root's package.json: user, music:player. */
export const scriptOf = (system: string, name: string): string => `${systemPrefix(system).replace(/-$/, ':')}${name}`

/**
 * Reads the contract as it is compiled.
 *
 * @throws with one line where there is none
 */
export async function readContract (repository: string, system: string): Promise<ContractTopic[]> {
  const folder = contractFolder(system)
  const module = join(repository, folder, 'dist', 'index.js')
  if (!existsSync(module)) throw new Error(`there is no contract in ${folder}: npm run new-topic <name> -- --in ${system || '.'} makes one`)
  const exported = await import(pathToFileURL(module).href) as Record<string, unknown>
  return Object.entries(exported).flatMap(([constant, value]) => isTopic(value) ? [{ constant, topic: value.name }] : [])
}

/**
 * Those of the contract that have these names.
 *
 * @throws with one line that says which there are
 */
export function findTopics (contract: ContractTopic[], names: string[], system: string): ContractTopic[] {
  return names.map(name => {
    const found = contract.find(({ topic }) => topic === name)
    if (found) return found
    throw new Error(`there is no topic ${name} in ${contractFolder(system)}, but ${contract.map(({ topic }) => topic).join(', ') || 'none'}; npm run new-topic ${name}${system && ` -- --in ${system}`} makes it`)
  })
}

function isTopic (value: unknown): value is { name: string } {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string' && 'partitions' in value && 'data' in value
}
