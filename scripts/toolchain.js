import { compiler, isCommand } from '../packages/kafka/native/compiler.js'
import { installExamples } from './librdkafka.js'
import { SetupError } from './run.js'

/**
 * Checks, before anything is installed, that librdkafka can be compiled here.
 *
 * @param {string} root
 * @throws SetupError that names the commands that are not on PATH
 */
export function checkToolchain (root) {
  if (/\s/.test(root)) throw new SetupError(`librdkafka cannot be compiled in a folder whose path has a space: ${root}`)
  const missing = [
    !isCommand('python3') && !isCommand('python') && 'python3',
    !isCommand('make') && 'make',
    !compiler() && 'g++'
  ].filter(Boolean)
  if (missing.length > 0) throw new SetupError(`librdkafka is compiled once, and that needs ${missing.join(', ')}: install with ${installExamples}`)
}
