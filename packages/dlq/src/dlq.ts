import { TopicReader, type ClientOptions, type KafkaError } from '@pair/kafka'
import { readArguments, type Wanted } from './arguments.js'
import { discard } from './discard.js'
import { exitCodes, OperatorError } from './errors.js'
import { help } from './help.js'
import { list } from './list.js'
import { clientLogger, createOutput } from './output.js'
import { replay } from './replay.js'
import { show } from './show.js'
import { clientOptions, nameOnBroker, openSources } from './source.js'
import { printable } from './text.js'

const output = createOutput(process.stdout, process.stderr, process.env)

let isWriting = false

// Somebody who has seen enough, such as `head`, is no error, except where letters are left undone because of it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' && !isWriting) process.exit(exitCodes.done)
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
    isWriting = wanted.command === 'replay' || wanted.command === 'discard'
    const options = { ...clientOptions(process.env), logger: clientLogger(output) }
    brokers = String(options['metadata.broker.list'])
    nameOnBroker(process.env, '') // a prefix that is wrong is refused before a broker is asked
    reader = new TopicReader(options)
    return await run(wanted, reader, options) > 0 ? exitCodes.failed : exitCodes.done
  } catch (error) {
    return explain(error)
  } finally {
    output.clear()
    await reader?.close()
  }
}

/** @returns how many letters could not be shown, replayed or discarded */
async function run (wanted: Wanted, reader: TopicReader, options: ClientOptions): Promise<number> {
  const sources = await openSources(reader, name => nameOnBroker(process.env, name), wanted)
  switch (wanted.command) {
    case 'list': return await list(sources, wanted.json, output)
    case 'show': return await show(sources, wanted.json, output)
    case 'replay': return await replay(sources, wanted, options, output)
    case 'discard': return await discard(sources, wanted, options, output)
  }
}

function explain (error: unknown): number {
  if (error instanceof OperatorError) {
    output.note(printable(error.message))
    return error.exitCode
  }
  // Of @pair/kafka: recognised by its name, as two copies of it may be loaded.
  if (!(error instanceof Error) || error.name !== 'KafkaError') throw error
  const isAway = away.has((error as KafkaError).codeName)
  output.note(printable(`${isAway ? 'No broker answers' : 'Kafka'} at ${brokers} (KAFKA_BROKERS): ${error.message}`))
  return exitCodes.kafka
}
