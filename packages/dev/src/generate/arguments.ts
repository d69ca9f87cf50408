import { parseArgs } from 'node:util'

export interface ServiceArguments {
  name: string
  /** Names of topics in the contract. */
  receives: string[]
  sends: string[]
  hasDatabase: boolean
  system: string
}

export interface TopicArguments { name: string, system: string }

const SERVICE_USAGE = 'Usage: npm run new-service <name> -- [--receives <topic>]… [--sends <topic>]… [--no-database] [--in examples/<system>]'
const TOPIC_USAGE = 'Usage: npm run new-topic <name> -- [--in examples/<system>]'

/** @throws Error with a message of one line */
export function serviceArguments (args: string[]): ServiceArguments {
  const { values, positionals } = parse(args, SERVICE_USAGE)
  return {
    name: nameOf(positionals, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'lower-case letters, digits and "-", as in mail-sender', SERVICE_USAGE),
    receives: topics(values.receives),
    sends: topics(values.sends),
    hasDatabase: !values['no-database'],
    system: systemOf(values.in)
  }
}

/** @throws Error with a message of one line */
export function topicArguments (args: string[]): TopicArguments {
  const { values, positionals } = parse(args, TOPIC_USAGE)
  if (values.receives || values.sends || values['no-database']) throw new Error(TOPIC_USAGE)
  return { name: nameOf(positionals, /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/, 'lower-case letters, digits and "_", as in order_placed', TOPIC_USAGE), system: systemOf(values.in) }
}

function parse (args: string[], usage: string) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        receives: { type: 'string', multiple: true },
        sends: { type: 'string', multiple: true },
        'no-database': { type: 'boolean' },
        in: { type: 'string' }
      }
    })
  } catch {
    throw new Error(usage)
  }
}

function nameOf (positionals: string[], pattern: RegExp, expected: string, usage: string): string {
  const [name, ...rest] = positionals
  if (name === undefined || rest.length > 0) throw new Error(usage)
  // At most 40, because names derived from it (of the database) may have 63 characters.
  if (!pattern.test(name) || name.length > 40) throw new Error(`"${name}" is not a valid name: use ${expected}, at most 40 characters`)
  return name
}

/** `--receives a --receives b` and `--receives a,b` mean the same. */
function topics (given: string[] = []): string[] {
  return [...new Set(given.flatMap(list => list.split(',')).map(name => name.trim()).filter(Boolean))]
}

function systemOf (given = ''): string {
  const path = given.replace(/^\.\//, '').replace(/\/$/, '')
  if (path !== '' && !/^examples\/[a-z][a-z0-9-]*$/.test(path)) throw new Error(`--in takes a folder like examples/music, not "${given}"`)
  return path
}
