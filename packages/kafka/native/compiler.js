import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * Whether a command is on PATH.
 *
 * @param {string} name
 */
export function isCommand (name) {
  return (process.env['PATH'] ?? '').split(delimiter).some(folder => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** The C++ compiler, with its options if CXX has any; undefined if there is none. One that CXX names is not looked for. */
export const compiler = () => process.env['CXX'] || ['g++', 'c++', 'clang++'].find(isCommand)
