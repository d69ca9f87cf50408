import { existsSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.js'

/**
 * Builds everything when a source is newer than the last build that succeeded. Comparing times takes a few
 * milliseconds; only asking the compiler would take a second at every start.
 *
 * @param {string} root
 */
export async function build (root) {
  // In node_modules, because a new installation may change the types that the sources are checked against. The compiler's
  // own record would not do: it is written for a build with errors, too.
  const stamp = join(root, 'node_modules', '.built')
  const folders = projectsOf(root)
  if (folders.every(folder => existsSync(join(folder, 'dist'))) && existsSync(stamp)) {
    const built = statSync(stamp).mtimeMs
    const newest = Math.max(changed(join(root, 'tsconfig.json')), ...folders.map(newestSource))
    if (newest <= built) return
  }
  const started = new Date()
  console.error('Building …') // standard output is the script's
  await run(process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc'), '-b'], { cwd: root })
  writeFileSync(stamp, '')
  // What was changed while the compiler ran is newer than this.
  utimesSync(stamp, started, started)
}

/**
 * The folders that the compiler is told of.
 *
 * @param {string} root
 */
function projectsOf (root) {
  // By pattern, because comments are allowed there.
  const references = readFileSync(join(root, 'tsconfig.json'), 'utf8').matchAll(/"path": *"([^"]+)"/g)
  return [...references].map(([, path = '']) => join(root, path))
}

/** @param {string} folder */
function newestSource (folder) {
  const source = join(folder, 'src')
  // The folders' own times count as well: they tell of a file that was removed.
  const sources = readdirSync(source, { recursive: true, encoding: 'utf8' }).map(name => join(source, name))
  const settings = ['tsconfig.json', 'package.json'].map(name => join(folder, name)).filter(path => existsSync(path))
  return Math.max(...[source, ...sources, ...settings].map(changed))
}

/** @param {string} path */
function changed (path) {
  return statSync(path).mtimeMs
}
