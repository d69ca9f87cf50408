import { join } from 'node:path'
import { Script } from 'node:vm'
import type { TopicArguments } from './arguments.js'
import { Changes } from './changes.js'
import { contractFolder, contractPackage } from './contract.js'
import { camelCase, kebabCase, pascalCase, upFrom } from './names.js'
import { addWorkspace, linkWorkspace, versionsOf } from './manifests.js'

/**
 * Writes a topic's contract with an example event, and exports it. The first topic of a system also creates its contract package.
 *
 * @returns the text to print
 * @throws Error with a message of one line
 */
export async function newTopic (repository: string, { name, system }: TopicArguments): Promise<string> {
  const changes = new Changes(repository)
  const folder = contractFolder(system)
  const file = join(folder, 'src', `${kebabCase(name)}.ts`)
  const index = join(folder, 'src', 'index.ts')
  const isNew = !changes.exists(folder)
  if (isNew) beginContract(changes, folder, system)
  const constant = camelCase(name)
  if (isReserved(constant)) throw new Error(`${name} cannot be the name of a topic: ${constant} is a name in its file or a keyword of TypeScript`)
  if (new RegExp(`\\b(${constant}|${pascalCase(name)})\\b`).test(changes.read(index))) throw new Error(`${name} already exists: ${index} exports it`)
  changes.create(file, topicFile(name))
  changes.edit(index, text => indexWith(text, index, name))
  await changes.write()
  if (isNew) await linkWorkspace(repository, folder, contractPackage(system))
  return `Created the topic ${name}. Left to write:

  ${file}   the data of its events, with an example

Then: npm run new-service <name> -- ${system && `--in ${system} `}--receives ${name}, or --sends ${name}. In an existing service,
app.consumer({ topic: ${constant}, … }) reads it, and app.sends(${constant}) returns the function that creates its events.`
}

/** Whether the file of a topic declares or imports this name, or JavaScript reserves it. */
function isReserved (constant: string): boolean {
  if (['await', 'data', 'dayMs', 'event', 'static', 'topic', 'type'].includes(constant)) return true
  try {
    new Script(`'use strict'; const ${constant} = 0`) // eslint-disable-line no-new
    return false
  } catch {
    return true
  }
}

function indexWith (text: string, path: string, name: string): string {
  const [constant, type, file] = [camelCase(name), pascalCase(name), kebabCase(name)]
  const list = /(export const allTopics: readonly Topic\[\] = \[)([^\]]*)(\])/
  if (!list.test(text)) throw new Error(`${path} has no "export const allTopics: readonly Topic[] = […]"`)
  const lines = text.replace(list, (_all, before: string, topics: string, end: string) => `${before}${topics ? `${topics}, ` : ''}${constant}${end}`).split('\n')
  lines.splice(lines.findLastIndex(line => line.startsWith('import ')) + 1, 0, `import { ${constant} } from './${file}.js'`)
  const exported = lines.findLastIndex(line => /^export \{.*\} from /.test(line))
  lines.splice(exported < 0 ? lines.findIndex(line => line === '') + 1 : exported + 1, 0, `export { ${constant}, ${constant}Example, type ${type} } from './${file}.js'`)
  return lines.join('\n')
}

function topicFile (name: string): string {
  const [constant, type] = [camelCase(name), pascalCase(name)]
  return `import type { Event, Topic } from '@pair/events'
import { Type, type Static } from 'typebox'

const dayMs = 24 * 60 * 60 * 1000

const data = Type.Object({
  // To do: the data of an event. Members that you add later must be optional.
  id: Type.String({ format: 'uuid', maxLength: 36, description: 'Id of what has changed.' })
})

export type ${type} = Static<typeof data>

export const ${constant}Example: Event<${type}> = {
  specversion: '1.0',
  id: '01990f3c-6d2a-7c4e-8a54-0f2d4c1b7e21',
  source: '/some-service',
  type: '${name}',
  subject: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f',
  time: '2026-01-31T12:00:00.000Z',
  datacontenttype: 'application/json',
  dataschema: 'urn:${name}:1',
  data: {
    id: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f'
  }
}

export const ${constant} = {
  name: '${name}',
  description: 'To do: what has happened, and what the key is. Events of one key keep their order.',
  version: 1,
  partitions: 4,
  config: {
    'retention.ms': String(7 * dayMs),
    // One day. With Kafka's default of a week, a record could stay for up to twice the retention.
    'segment.ms': String(dayMs),
    'max.message.bytes': String(1024 * 1024),
    // The broker's clock. With the writer's, a wrong clock would get events removed too early, or refused.
    'message.timestamp.type': 'LogAppendTime'
  },
  data,
  example: ${constant}Example
} as const satisfies Topic
`
}

function beginContract (changes: Changes, folder: string, system: string): void {
  const root = upFrom(folder)
  addWorkspace(changes, folder, {
    name: contractPackage(system),
    version: '1.0.0',
    private: true,
    type: 'module',
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
    dependencies: versionsOf(changes, 'shared-topics/package.json', ['@pair/events', 'typebox'])
  })
  changes.create(join(folder, 'tsconfig.json'), `{
  "extends": "${root}/tsconfig.json",
  "compilerOptions": { "rootDir": "src", "outDir": "dist" },
  "include": ["src"],
  "references": [{ "path": "${root}/packages/events" }]
}
`)
  changes.create(join(folder, 'src', 'index.ts'), `import type { Topic } from '@pair/events'

/** All topics of the contract. */
export const allTopics: readonly Topic[] = []
`)
  changes.create(join(folder, 'test', 'examples.test.ts'), changes.read('shared-topics/test/examples.test.ts').replace('@pair/shared-topics', contractPackage(system)))
}
