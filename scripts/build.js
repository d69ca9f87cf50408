import { existsSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.js'
import { step } from './step.js'

/**
 * Builds everything when a source is newer than the last successful build. Comparing times takes a few milliseconds; the
 * compiler alone would take a second at every start.
 *
 * @param {string} root
 */
export async function build (root) {
  // In node_modules, because a new installation may change the types that sources are checked against. The compiler's own record is
  // written for a build with errors too.
  const stamp = join(root, 'node_modules', '.built')
  const folders = projectsOf(root)
  if (folders.every(folder => existsSync(join(folder, 'dist'))) && existsSync(stamp)) {
    const built = statSync(stamp).mtimeMs
    const newest = Math.max(changed(join(root, 'tsconfig.json')), ...folders.map(newestSource))
    if (newest <= built) return
  }
  const started = new Date()
  // Each checker would check the libraries' types again that it meets.
  const compiler = [join('node_modules', 'typescript-7', 'bin', 'tsc'), '--build', '--checkers', '1']
  await step('Building …', async () => await run(process.execPath, compiler, { cwd: root }))
  writeFileSync(stamp, '')
  // The start time, so that a change made while the compiler ran is newer.
  utimesSync(stamp, started, started)
}

/**
 * The folders that tsconfig.json references.
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
  // Includes the times of folders, which show removed files.
  const sources = readdirSync(source, { recursive: true, encoding: 'utf8' }).map(name => join(source, name))
  const settings = ['tsconfig.json', 'package.json'].map(name => join(folder, name)).filter(path => existsSync(path))
  return Math.max(...[source, ...sources, ...settings].map(changed))
}

/** @param {string} path */
function changed (path) {
  return statSync(path).mtimeMs
}
