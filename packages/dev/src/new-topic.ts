import { topicArguments } from './generate/arguments.js'
import { newTopic } from './generate/new-topic.js'
import { repository } from './system.js'

// npm run new-topic

try {
  console.log(await newTopic(repository, topicArguments(process.argv.slice(2))))
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exit(1)
}
