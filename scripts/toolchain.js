import { compiler, isCommand } from '../packages/kafka/native/compiler.js'
import { installExamples } from './librdkafka.js'
import { SetupError } from './run.js'

/** Checks, before anything is installed, that the commands that compiling needs are on PATH. @throws SetupError that names the missing ones */
export function checkToolchain () {
  const missing = [
    !isCommand('python3') && !isCommand('python') && 'python3',
    !isCommand('make') && 'make',
    !compiler() && 'g++'
  ].filter(Boolean)
  if (missing.length > 0) throw new SetupError(`librdkafka is compiled once, and that needs ${missing.join(', ')}: install with ${installExamples}`)
}
