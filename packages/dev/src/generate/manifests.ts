import { existsSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { Changes } from './changes.js'

interface Manifest { name: string, version: string, private: boolean, type: string, service?: object, exports?: object, dependencies: Record<string, string> }

const LOCK = 'package-lock.json'
/** npm's record of the installed packages, which the set-up compares with the lock file. */
const RECORD = 'node_modules/.package-lock.json'

/** Adds a workspace like `npm install` would: manifest, TypeScript reference, lock file, record. Nothing is downloaded, because other workspaces have the same dependencies. */
export function addWorkspace (changes: Changes, folder: string, manifest: Manifest): void {
  changes.create(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  changes.edit('tsconfig.json', text => {
    const references = /("references": \[[\s\S]*?\})(\s*\])/
    if (!references.test(text)) throw new Error('tsconfig.json has no "references"')
    return text.replace(references, (_all, before: string, end: string) => `${before},\n    { "path": "${folder}" }${end}`)
  })
  const { name, version, dependencies } = manifest
  for (const path of [LOCK, RECORD].filter(path => changes.exists(path))) {
    changes.edit(path, text => {
      const lock = JSON.parse(text) as { packages: Record<string, object> }
      Object.assign(lock.packages, { [folder]: { name, version, dependencies }, [`node_modules/${name}`]: { resolved: folder, link: true } })
      lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([one], [other]) => one.localeCompare(other, 'en')))
      return `${JSON.stringify(lock, null, 2)}\n`
    })
  }
}

/** Links the workspace in node_modules, like npm, so that imports find it by name. */
export async function linkWorkspace (repository: string, folder: string, name: string): Promise<void> {
  const link = join(repository, 'node_modules', name)
  if (existsSync(link)) return
  await mkdir(dirname(link), { recursive: true })
  await symlink(relative(dirname(link), join(repository, folder)), link)
}

/** The versions with which another workspace depends on these packages. */
export function versionsOf (changes: Changes, manifest: string, names: string[]): Record<string, string> {
  const { dependencies } = JSON.parse(changes.read(manifest)) as { dependencies: Record<string, string> }
  return Object.fromEntries(names.map(name => {
    const version = dependencies[name]
    if (version === undefined) throw new Error(`${manifest} does not depend on ${name}`)
    return [name, version]
  }))
}
