import { userInfo } from 'node:os'
import { parseArgs } from 'node:util'
import { deadLetterReasons, deadLetterTopic } from '@pair/events'
import { usageError } from './errors.js'
import type { Filter } from './filter.js'
import { states, type State } from './state.js'
import { readTime } from './time.js'

/** Where a letter is on a dead-letter topic. `topic`: of the message, without KAFKA_PREFIX. */
export interface Position { topic?: string, partition: number, offset: number }

interface Common { topic: string | undefined, allTopics: boolean, letters: Position[] | 'all', filter: Filter, json: boolean }

/** What the operator wants. */
export type Wanted = Common & (
  | { command: 'list' | 'show' }
  | { command: 'replay', dryRun: boolean }
  | { command: 'discard', dryRun: boolean, by: string, why: string }
)

const commands = ['list', 'show', 'replay', 'discard'] as const
type Command = typeof commands[number]

/** Options that not every command has. */
const onlyFor: Partial<Record<string, Command[]>> = { all: ['show', 'replay', 'discard'], 'dry-run': ['replay', 'discard'], why: ['discard'], by: ['discard'] }

const [longestWhy, longestBy] = [1000, 200]

/**
 * Reads the command line.
 *
 * @returns nothing where only help is wanted
 * @throws OperatorError for whatever it does not understand
 */
export function readArguments (args: string[], now = Date.now(), user = systemUser): Wanted | undefined {
  const { values, positionals: [command, ...names] } = parse(args)
  if (values.help) return undefined
  if (!isOneOf(commands, command)) throw usageError(command === undefined ? `which of ${listed(commands)}?` : `"${command}" is none of ${listed(commands)}`)
  for (const [option, some] of Object.entries(onlyFor)) {
    if (some && option in values && !some.includes(command)) throw usageError(`--${option} is for ${listed(some)} only`)
  }
  const { all = false, json = false, 'dry-run': dryRun = false, 'all-topics': allTopics = false } = values
  if (command === 'list' && names.length > 0) throw usageError(`list takes no letters, and so not "${names[0]}"`)
  if (command !== 'list' && all === (names.length > 0)) throw usageError(`${command} takes either --all or one <topic>:<partition>:<offset> and more`)
  const topic = values.topic && checkTopic(single('topic', values.topic))
  if (allTopics && (topic !== undefined || names.length > 0)) throw usageError(`--all-topics says what ${topic === undefined ? 'the names of letters say' : '--topic says'} too`)
  const letters = names.length === 0 ? 'all' as const : names.map(name => position(name, topic))
  const common = { topic, allTopics, json, letters, filter: filterOf(values, now) }
  if (command === 'list' || command === 'show') return { ...common, command }
  if (command === 'replay') {
    if (common.filter.state?.includes('foreign')) throw usageError('what is foreign is never replayed: --state must be new, replayed or discarded')
    return { ...common, command, dryRun }
  }
  if (values.why === undefined) throw usageError('discard needs --why <text>')
  const by = values.by === undefined ? user() : single('by', values.by, longestBy)
  return { ...common, command, dryRun, by, why: single('why', values.why, longestWhy) }
}

type Values = ReturnType<typeof parse>['values']

function parse (args: string[]) {
  // With `multiple`, one that is given twice is seen, and not replaced without a word.
  const texts = { type: 'string', multiple: true } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        topic: texts,
        reason: texts,
        group: texts,
        key: texts,
        error: texts,
        state: texts,
        since: texts,
        until: texts,
        why: texts,
        by: texts,
        all: flag,
        'all-topics': flag,
        'dry-run': flag,
        json: flag,
        help: { ...flag, short: 'h' }
      }
    })
  } catch (error) {
    throw usageError(String((error as Error).message.split('. ')[0])) // the rest is advice on something else
  }
}

function filterOf (values: Values, now: number): Filter {
  for (const option of ['group', 'error'] as const) if (values[option]?.includes('')) throw usageError(`--${option} must not be empty`)
  const time = (option: 'since' | 'until') => {
    if (values[option] === undefined) return undefined
    const text = single(option, values[option])
    const ms = readTime(text, now)
    if (ms === undefined) throw usageError(`--${option} must be an age such as 2h, a date, or a time with its zone such as 2026-11-21T13:30Z, not "${text}"`)
    return ms
  }
  const [since, until] = [time('since'), time('until')]
  if (since !== undefined && until !== undefined && since >= until) throw usageError('--since must be before --until')
  const reason = values.reason?.map(text => oneOf('reason', deadLetterReasons, text))
  const state = values.state?.map(text => oneOf<State>('state', states, text))
  return { reason, group: values.group, key: values.key, error: values.error, state, since, until }
}

function position (text: string, topic: string | undefined): Position {
  const [, named, partition, offset] = /^(?:([^:]*):)?(\d{1,9}):(\d{1,15})$/.exec(text) ?? []
  if (partition === undefined || offset === undefined) throw usageError(`"${text}" is not <topic>:<partition>:<offset>, such as orders:0:17`)
  if (named !== undefined && checkTopic(named) !== (topic ?? named)) throw usageError(`"${text}" is not a letter of --topic ${topic}`)
  const of = named ?? topic
  return { ...(of === undefined ? {} : { topic: of }), partition: Number(partition), offset: Number(offset) }
}

/** Kafka's rule for names, with room for what is appended to this one. */
function checkTopic (topic: string): string {
  const suffix = deadLetterTopic('')
  if (!/^[a-zA-Z0-9._-]{1,136}$/.test(topic)) throw usageError(`"${topic}" must be the name of a topic`)
  if (topic.endsWith(suffix)) throw usageError(`the topic that the messages came from is meant, not its dead-letter topic: ${topic.slice(0, -suffix.length)}`)
  return topic
}

function single (option: string, [text = '', ...more]: string[], longest = Infinity): string {
  if (more.length > 0) throw usageError(`--${option} is given more than once`)
  if (text.trim() === '') throw usageError(`--${option} must not be empty`)
  if (text.length > longest) throw usageError(`--${option} must have at most ${longest} characters`)
  return text
}

function oneOf<Value extends string> (option: string, known: readonly Value[], text: string): Value {
  if (!isOneOf(known, text)) throw usageError(`--${option} must be one of ${listed(known)}, not "${text}"`)
  return text
}

const isOneOf = <Value extends string>(known: readonly Value[], text: string | undefined): text is Value => known.some(value => value === text)
const listed = (words: readonly string[]) => words.join(', ').replace(/, (?=[^,]*$)/, ' and ')

/** The name of the operating system's user; a container may have none. */
function systemUser (): string {
  try {
    return userInfo().username
  } catch {
    throw usageError('this system has no name for its user: discard needs --by <name>')
  }
}
