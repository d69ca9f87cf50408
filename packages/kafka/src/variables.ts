import { readFileSync } from 'node:fs'

type Environment = Record<string, string | undefined>

/**
 * The value of an environment variable, or the content of the file that `<name>_FILE` names, without trailing newlines.
 * An empty variable counts as unset where there is a file.
 *
 * @throws Error that names the variable, if both are set or the file cannot be read
 */
export function readVariable (env: Environment, name: string): string | undefined {
  const [value, fileName] = [env[name], env[`${name}_FILE`]]
  if (!fileName) return value
  if (value) throw new Error(`${name} and ${name}_FILE are both set`)
  return readText(fileName, `${name}_FILE`).replace(/[\r\n]+$/, '')
}

/** @param name the variable that names the file. @throws Error that names the variable */
export function readText (fileName: string, name: string): string {
  try {
    return readFileSync(fileName, 'utf8')
  } catch (error) {
    throw new Error(`${name} names a file that cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}
