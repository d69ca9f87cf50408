import { parseArgs } from 'node:util'
import { deadLetterTopic } from '@pair/events'
import { userRegister } from '@pair/shared-topics'
import { exitCodes, OperatorError } from './errors.js'

/** Where a letter is on the dead-letter topic. */
export interface Position { partition: number, offset: number }

/** What the operator wants. `letters` are positions on the dead-letter topic. */
export type Wanted = { topic: string, json: boolean } & (
  | { command: 'list', group: string | undefined }
  | { command: 'show', letter: Position }
  | { command: 'replay', letters: Position[] | 'all', group: string | undefined, dryRun: boolean }
)

export const help = `Dead letters: messages that could not be processed.

  npm run dlq -- list                              every dead letter, one line each
  npm run dlq -- show <partition>:<offset>         all about one, with its headers and its bytes
  npm run dlq -- replay <partition>:<offset> …     sends these to their topic once more, also those replayed before
  npm run dlq -- replay --all                      sends all that were not replayed yet

  --topic <topic>  whose dead letters are meant: of this topic, not the dead-letter topic itself (${userRegister.name})
  --group <group>  list and replay: only the letters of this consumer group
  --dry-run        replay only: says what would be sent, and sends nothing
  --json           one JSON object a line; with "npm run --silent dlq -- …" nothing else is on standard output
  --help           this text

The broker is the one in KAFKA_BROKERS (host:port,host:port), with TLS, SASL and KAFKA_PREFIX as for the services (docs/configuration.md).

Exit codes: ${exitCodes.done} done; ${exitCodes.failed} a letter was not there or could not be replayed; ${exitCodes.usage} wrong arguments or settings;
${exitCodes.kafka} the broker does not answer or refuses, or the topic is not there.`

/**
 * Reads the command line.
 *
 * @returns nothing where only help is wanted
 * @throws OperatorError for whatever it does not understand
 */
export function readArguments (args: string[]): Wanted | undefined {
  const { values, positionals: [command, ...letters] } = parse(args)
  if (values.help) return undefined
  const { topic = userRegister.name, json = false, all = false, 'dry-run': dryRun = false, group } = values
  checkTopic(topic)
  if (command !== 'replay' && (all || dryRun)) throw usage(`${all ? '--all' : '--dry-run'} is for replay only`)
  if (command === 'show' && group !== undefined) throw usage('--group is for list and replay only')
  switch (command) {
    case 'list':
      if (letters.length > 0) throw usage(`list takes no letters, and so not "${letters[0]}"`)
      return { command, topic, json, group }
    case 'show':
      if (letters[0] === undefined || letters.length > 1) throw usage('show takes one <partition>:<offset>')
      return { command, topic, json, letter: position(letters[0]) }
    case 'replay':
      if (all === (letters.length > 0)) throw usage('replay takes either --all or one <partition>:<offset> and more')
      return { command, topic, json, group, dryRun, letters: all ? 'all' : [...new Set(letters)].map(position) }
    case undefined:
      throw usage('which of list, show and replay?')
    default:
      throw usage(`"${command}" is none of list, show and replay`)
  }
}

function parse (args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        topic: { type: 'string' },
        group: { type: 'string' },
        all: { type: 'boolean' },
        'dry-run': { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' }
      }
    })
  } catch (error) {
    throw usage(String((error as Error).message.split('. ')[0])) // the rest is advice on something else
  }
}

function position (text: string): Position {
  const [, partition, offset] = (/^(\d{1,9}):(\d{1,15})$/.exec(text) ?? []).map(Number)
  if (partition === undefined || offset === undefined) throw usage(`"${text}" is not <partition>:<offset>, such as 0:17`)
  return { partition, offset }
}

/** Kafka's rule for names, with room for what is appended to this one. */
function checkTopic (topic: string): void {
  const suffix = deadLetterTopic('')
  if (!/^[a-zA-Z0-9._-]{1,136}$/.test(topic)) throw usage('--topic must be the name of a topic')
  if (topic.endsWith(suffix)) throw usage(`--topic names the topic that the letters came from: ${topic.slice(0, -suffix.length) || userRegister.name}`)
}

function usage (message: string): OperatorError {
  return new OperatorError(`${message} (see --help)`, exitCodes.usage)
}
