import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { System } from '../system.js'
import { scriptOf } from './contract.js'
import { composeFile, prometheusFile } from './registrations.js'

/** The systems of a repository: the pair, and each example that has services. */
export function systemFolders (repository: string): string[] {
  const examples = join(repository, 'examples')
  const found = existsSync(examples) ? readdirSync(examples).map(name => join('examples', name)) : []
  return ['', ...found.filter(system => existsSync(join(repository, system, 'microservices')))]
}

/** The missing entries of services that were added by hand, one line for each: those that no tool can derive from the folder. */
export function missingRegistrations (repository: string, { root, services }: System): string[] {
  const system = relative(repository, root)
  const read = (path: string) => existsSync(join(repository, path)) ? readFileSync(join(repository, path), 'utf8') : undefined
  const { scripts } = JSON.parse(read('package.json') ?? '{}') as { scripts: Record<string, string> }
  const { references } = JSON.parse(read('tsconfig.json') ?? '{}') as { references: Array<{ path: string }> }
  const { packages } = JSON.parse(read('package-lock.json') ?? '{}') as { packages: Record<string, unknown> }

  return services.flatMap(({ name, folder, port }) => {
    const path = relative(repository, folder)
    const script = scriptOf(system, name)
    const compose = read(composeFile(system))
    const prometheus = read(prometheusFile(system))
    return [
      ...references.some(reference => reference.path === path) ? [] : [`tsconfig.json: { "path": "${path}" } in "references"`],
      ...scripts[script]?.endsWith(` ${path}/dist/server.js`) ? [] : [`package.json: "${script}": "exec node scripts/setup.js ${path}/dist/server.js" in "scripts"`],
      ...path in packages ? [] : [`package-lock.json: ${path}, which npm install writes`],
      ...compose === undefined || new RegExp(`^  ${name}:$`, 'm').test(compose) ? [] : [`${composeFile(system)}: a service ${name}`],
      ...prometheus === undefined || prometheus.includes(`names: [${name}], type: A, port: ${port},`) ? [] : [`${prometheusFile(system)}: a job for ${name} on port ${port}`]
    ]
  })
}
