import { TopicReader, type KafkaError } from '@pair/kafka'
import { help, readArguments } from './arguments.js'
import { exitCodes, OperatorError } from './errors.js'
import { list } from './list.js'
import { standardOutput as output } from './output.js'
import { replay } from './replay.js'
import { show } from './show.js'
import { clientOptions, nameOnBroker, openSource } from './source.js'

// Somebody who has seen enough, such as `head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.done)
  output.note(`The output cannot be written: ${error.message}`)
  process.exit(exitCodes.failed)
})

const away = new Set(['ERR__TRANSPORT', 'ERR__TIMED_OUT', 'ERR__MSG_TIMED_OUT', 'ERR__ALL_BROKERS_DOWN', 'ERR__RESOLVE'])

let brokers = ''

process.exit(await main(process.argv.slice(2)))

/** @returns the exit code */
async function main (args: string[]): Promise<number> {
  let reader: TopicReader | undefined
  try {
    const wanted = readArguments(args)
    if (wanted === undefined) {
      await output.line(help)
      return exitCodes.done
    }
    const options = clientOptions(process.env)
    brokers = String(options['metadata.broker.list'])
    const nameOf = (name: string) => nameOnBroker(process.env, name)
    nameOf('') // a prefix that is wrong is told before a broker is asked
    reader = new TopicReader(options)
    const source = await openSource(reader, nameOf, wanted)
    if (wanted.command === 'list') await list(source, wanted.json, output)
    else if (wanted.command === 'show') await show(source, wanted.letter, wanted.json, output)
    else if (await replay(source, wanted, options, output) > 0) return exitCodes.failed
    return exitCodes.done
  } catch (error) {
    return explain(error)
  } finally {
    await reader?.close()
  }
}

function explain (error: unknown): number {
  if (error instanceof OperatorError) {
    output.note(error.message)
    return error.exitCode
  }
  // Of @pair/kafka: recognised by its name, as two copies of it may be loaded.
  if (!(error instanceof Error) || error.name !== 'KafkaError') throw error
  const isAway = away.has((error as KafkaError).codeName)
  output.note(`${isAway ? 'No broker answers' : 'Kafka'} at ${brokers} (KAFKA_BROKERS): ${error.message}`)
  return exitCodes.kafka
}
