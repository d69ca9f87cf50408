import { serviceArguments } from './generate/arguments.js'
import { newService } from './generate/new-service.js'
import { repository } from './system.js'

// npm run new-service

try {
  console.log(await newService(repository, serviceArguments(process.argv.slice(2))))
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exit(1)
}
