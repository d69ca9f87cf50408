import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from './build.js'
import { install } from './install.js'
import { SetupError } from './run.js'
import { countOnce, endWhileAlone } from './signals.js'

// node scripts/setup.js <script> [arguments]: installs and builds missing parts, then runs the script in this process. It has no
// dependencies and is JavaScript, because nothing may be installed or built yet.

const root = fileURLToPath(new URL('..', import.meta.url))
const [node = 'node', , script, ...args] = process.argv

countOnce() // first: adding the first listener of a signal captures process.emit
endWhileAlone()
try {
  checkNode()
  await install(root)
  await build(root)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  process.exit(error.exitCode)
}

if (script) {
  const path = resolve(root, script)
  process.argv = [node, path, ...args]
  // In this process, so that signals reach the script, and its exit code is the script's.
  await import(pathToFileURL(path).href)
}

function checkNode () {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isSupported = major === 20 ? minor >= 19 : major === 22 ? minor >= 13 : major >= 24
  if (!isSupported) throw new SetupError(`Node ${process.versions.node} is not supported: install Node 20.19, 22.13, 24 or newer from https://nodejs.org`)
}
