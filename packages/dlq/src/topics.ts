import { deadLetterTopic } from '@pair/events'
import type { Position, Wanted } from './arguments.js'
import { exitCodes, OperatorError, usageError } from './errors.js'
import { placeOf } from './dead-letter.js'

const suffix = deadLetterTopic('')
const mostNamed = 5

/**
 * The topics whose dead letters a command is about, by their names without KAFKA_PREFIX, and which letters of each. What only
 * reads is about all topics. What writes is about one, unless `--all-topics` is given: a topic that is added must not become
 * part of what an operator, or a script, has always done.
 *
 * @param topics of the broker
 * @param prefix KAFKA_PREFIX: names that begin with it are meant
 */
export function topicsMeant (topics: ReadonlyMap<string, number>, prefix: string, { command, topic, allTopics, letters }: Wanted): Map<string, Position[] | 'all'> {
  const meant = new Map<string, Position[] | 'all'>()
  if (letters === 'all') {
    const isOfAll = allTopics || command === 'list' || command === 'show'
    const names = topic !== undefined ? [topic] : isOfAll ? found() : [onlyOne('--topic <topic>, or --all-topics for all of them')]
    for (const name of names) meant.set(name, 'all')
    return meant
  }
  const named = new Map<string, Position[]>()
  for (const letter of letters) {
    const name = letter.topic ?? onlyOne('--topic <topic>, or name each letter as <topic>:<partition>:<offset>')
    const others = named.get(name) ?? []
    named.set(name, others)
    if (!others.some(other => placeOf(other) === placeOf(letter))) others.push(letter)
  }
  return named

  function found (): string[] {
    const names = [...topics.keys()].filter(name => name.startsWith(prefix) && name.endsWith(suffix)).map(name => name.slice(prefix.length, -suffix.length))
    const known = names.filter(name => name !== '' && !name.endsWith(suffix)).sort()
    if (known.length === 0) throw new OperatorError(`There is no topic ${prefix}…${suffix} on this broker`, exitCodes.kafka)
    return known
  }

  function onlyOne (advice: string): string {
    const names = found()
    if (names.length > 1) {
      const listed = names.slice(0, mostNamed).join(', ') + (names.length > mostNamed ? ', …' : '')
      throw usageError(`${names.length} topics have a dead-letter topic (${listed}): say which with ${advice}`)
    }
    return names[0] ?? ''
  }
}
