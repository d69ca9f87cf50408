import { pathToFileURL } from 'node:url'
import { fromRepository, readSystem } from './system.js'

// npm run migrate -- <service> [system]: runs the command "migrate" of a service, as in its image.

const [node = 'node', , name = '', system, ...rest] = process.argv
try {
  const { services, root } = readSystem(system)
  const stored = services.filter(({ database }) => database !== undefined)
  const service = stored.find(service => service.name === name)
  if (rest.length > 0 || service === undefined) {
    console.error(`Usage: npm run migrate -- <service> [system], with DATABASE_URL or MIGRATION_DATABASE_URL; services with a database in ${fromRepository(root)}: ${stored.map(({ name }) => name).join(', ')}`)
    process.exit(2)
  }
  process.argv = [node, service.entry, 'migrate']
  await import(pathToFileURL(service.entry).href)
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exit(2)
}
