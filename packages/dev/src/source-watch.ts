import { execFile } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { watch } from 'chokidar'
import { repository } from './system.js'

const compiler = join(repository, 'node_modules', 'typescript-7', 'bin', 'tsc')
/** Waits this long for further changes, in ms: an editor writes a file in several steps, and a checkout writes several files. */
const settledAfterMs = 50

/**
 * Compiles changed sources and prints the compiler's errors. Sources with errors produce no output, so the services keep running
 * the last version that compiled. The compiler's own watch mode misses changes that are made while it compiles (7.0.2).
 *
 * @param folders folders of the services by name
 * @param onChange called with a service when it, or a package that it uses, has changed and compiled
 * @returns stops watching
 */
export function watchSources (folders: ReadonlyMap<string, string>, onChange: (service: string) => void): () => void {
  const used = new Map([...folders].map(([name, folder]) => [name, withReferences(folder)]))
  const projects = [...new Set([...used.values()].flat())]
  const seen = new Map<string, number>()
  take()

  let isCompiling = false
  let isStale = false
  let timer: NodeJS.Timeout | undefined
  // On Linux, Node's own recursive watch no longer sees a file that was replaced, as `sed -i` and `git checkout` do (20.20).
  const watcher = watch(projects.flatMap(project => [join(project, 'src'), join(project, 'migrations')]), { ignoreInitial: true }).on('all', () => {
    clearTimeout(timer)
    timer = setTimeout(compile, settledAfterMs)
  }).on('error', error => console.error(`A folder cannot be watched: ${String(error)}`))

  function compile () {
    isStale = isCompiling
    if (isCompiling) return
    isCompiling = true
    execFile(process.execPath, [compiler, '--build', '--checkers', '1', ...process.stdout.isTTY ? ['--pretty'] : [], ...folders.values()], { cwd: repository }, (error, said) => {
      isCompiling = false
      if (said.trim() !== '') console.error(said.trim())
      if (error === null) for (const name of take()) onChange(name)
      else console.error('It does not compile: the services keep running the last version that did.')
      if (isStale) compile()
    })
  }

  /** The services whose compiled files or migrations have changed since the last call. */
  function take (): string[] {
    const changed = new Set(projects.filter(project => lastChanged(project) !== seen.get(project)))
    for (const project of changed) seen.set(project, lastChanged(project))
    return [...used].filter(([, projects]) => projects.some(project => changed.has(project))).map(([name]) => name)
  }

  return () => {
    clearTimeout(timer)
    watcher.close()
  }
}

/** The folder of a TypeScript project, and those of all projects that it references, directly or not. */
function withReferences (folder: string, found = new Set<string>()): string[] {
  if (found.has(folder)) return []
  found.add(folder)
  // By pattern, because tsconfig.json may contain comments.
  const references = readFileSync(join(folder, 'tsconfig.json'), 'utf8').matchAll(/"path": *"([^"]+)"/g)
  for (const [, path = ''] of references) withReferences(join(folder, path), found)
  return [...found]
}

/** When a compiled file or a migration was last written, in ms since 1970. */
function lastChanged (project: string): number {
  const files = [join(project, 'dist'), join(project, 'migrations')].filter(folder => existsSync(folder))
    .flatMap(folder => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => /\.(js|sql)$/.test(name)).map(name => join(folder, name)))
  return Math.max(0, ...files.map(file => statSync(file).mtimeMs))
}
