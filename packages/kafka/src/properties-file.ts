import { createRequire } from 'node:module'
import { aliases, topicProperties } from './properties.js'
import { readText } from './variables.js'

const variable = 'KAFKA_PROPERTIES_FILE'

/** Properties that services set themselves, because their guarantees depend on them, or because the client reads them. */
const refused = /^(group\.id|acks|enable\.idempotence|enable\.auto\..*|auto\.commit\.enable|isolation\.level|auto\.offset\.reset|transactional\.id|statistics\.interval\.ms|plugin\.library\.paths|.*_cb)$/

/**
 * Reads librdkafka properties in the format of `kcat -F`: one `name=value` a line; lines that begin with `#` are comments.
 *
 * @throws Error that names the variable and the line and repeats no value
 */
export function readPropertiesFile (fileName: string): Record<string, string> {
  const properties: Record<string, string> = {}
  for (const [index, line] of readText(fileName, variable).split('\n').entries()) {
    const text = line.trim()
    if (text === '' || text.startsWith('#')) continue
    const at = text.indexOf('=')
    const given = text.slice(0, at).trim()
    const where = `${variable}, line ${index + 1}`
    if (at < 1) throw new Error(`${where}: must be name=value`)
    const name = aliases[given] ?? given
    if (refused.test(name)) throw new Error(`${where}: ${given} cannot be set here, the services set it`)
    const value = text.slice(at + 1).trim()
    checkProperty(name, value, where)
    properties[name] = value
  }
  return properties
}

/** Checks a property by creating a handle, which opens no connection. Loads the binding only where there is such a file. */
function checkProperty (name: string, value: string, where: string): unknown {
  const { Producer } = createRequire(import.meta.url)('node-rdkafka') as typeof import('node-rdkafka')
  const property = { [name]: value }
  try {
    return topicProperties.has(name) ? new Producer({}, property) : new Producer(property)
  } catch (error) {
    throw new Error(`${where}: ${(error as Error).message.replace(/Invalid value "[^]*" for/, 'Invalid value for')}`)
  }
}
