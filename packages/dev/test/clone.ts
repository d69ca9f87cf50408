import { execFileSync } from 'node:child_process'
import { copyFile, cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { repository } from './running.js'

/**
 * A copy of the built repository without git, for a test that changes it. Installed packages are hard-linked if the file system
 * supports it; files that are modified in place are copied.
 */
export async function cloneRepository (atEnd: (remove: () => Promise<void>) => void = onTestFinished): Promise<string> {
  // On the same file system, for the hard links.
  await mkdir(join(repository, '.data'), { recursive: true })
  const clone = await mkdtemp(join(repository, '.data', 'clone-'))
  atEnd(() => rm(clone, { recursive: true, force: true }))
  const left = ['.git', '.data', 'node_modules']
  for (const name of await readdir(repository)) {
    if (!left.includes(name)) await cp(join(repository, name), join(clone, name), { recursive: true, verbatimSymlinks: true, preserveTimestamps: true, filter: path => basename(path) !== 'node_modules' })
  }
  const modules = execFileSync('find', ['.', '-name', 'node_modules', '-prune', '-not', '-path', './.data/*', '-not', '-path', './bench/*'], { cwd: repository, encoding: 'utf8' })
  for (const folder of modules.trim().split('\n')) {
    execFileSync('sh', ['-c', 'cp -al "$0" "$1" 2>/dev/null || cp -Rp "$0" "$1"', join(repository, folder), join(clone, folder)])
  }
  for (const name of ['.package-lock.json', '.built']) {
    const file = join('node_modules', name)
    await rm(join(clone, file), { force: true })
    await copyFile(join(repository, file), join(clone, file))
  }
  return clone
}
