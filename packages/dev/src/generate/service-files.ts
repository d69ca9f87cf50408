import { contractPackage, type ContractTopic, type NewService } from './contract.js'
import { camelCase, kebabCase, pascalCase, upFrom } from './names.js'
import { serviceTest } from './service-test.js'

/** Of a service that neither reads nor writes a topic. */
const hello = "  app.get('/hello', async () => ({ hello: 'world' }))"

/** The files of a new service but its manifest, by their paths in its folder. */
export function serviceFiles (service: NewService): Record<string, string> {
  const { receives, sends } = service
  return {
    'tsconfig.json': tsconfig(service),
    'src/server.ts': "import { start } from '@pair/service/start'\n\nawait start(() => import('./app.js'))\n",
    'src/app.ts': app(service),
    ...Object.fromEntries(receives.map(topic => [`src/${kebabCase(topic.topic)}-consumer.ts`, consumer(service, topic)])),
    ...Object.fromEntries(sends.map(topic => [`src/${kebabCase(topic.topic)}-route.ts`, route(service, topic)])),
    [`test/${service.name}.process.test.ts`]: serviceTest(service)
  }
}

function tsconfig ({ folder, system }: NewService): string {
  const root = upFrom(folder)
  const contract = system === '' ? 'shared-topics' : `${system}/shared-topics`
  return `{
  "extends": "${root}/tsconfig.json",
  "compilerOptions": { "rootDir": "src", "outDir": "dist" },
  "include": ["src"],
  "references": [{ "path": "${root}/${contract}" }, { "path": "${root}/packages/events" }, { "path": "${root}/packages/kafka" }, { "path": "${root}/packages/service" }]
}
`
}

function app ({ name, receives, sends }: NewService): string {
  const plugins = [
    ...receives.map(({ topic }) => ({ plugin: `${camelCase(topic)}Consumer`, file: `./${kebabCase(topic)}-consumer.js` })),
    ...sends.map(({ topic }) => ({ plugin: `${camelCase(topic)}Route`, file: `./${kebabCase(topic)}-route.js` }))
  ]
  const verbs = [
    ...receives.length > 0 ? [`reads ${receives.map(({ topic }) => topic).join(', ')}`] : [],
    ...sends.length > 0 ? [`publishes ${sends.map(({ topic }) => topic).join(', ')}`] : []
  ]
  return [
    "import type { App } from '@pair/service'",
    ...plugins.map(({ plugin, file }) => `import { ${plugin} } from '${file}'`),
    '',
    `/** The ${name} service${verbs.length > 0 ? `: ${verbs.join(', and ')}` : ''}. */`,
    `export default async function ${camelCase(name)}Service (app: App): Promise<void> {`,
    ...plugins.map(({ plugin }) => `  await app.register(${plugin})`),
    ...plugins.length === 0 ? [hello] : [],
    '}',
    ''
  ].join('\n')
}

function consumer ({ system, hasDatabase }: NewService, { topic, constant }: ContractTopic): string {
  const guarantee = hasDatabase
    ? `      // Yours to write. What is stored with \`db\` and the event's inbox entry are one transaction: an event that comes twice has
      // its effect once. What is done elsewhere (a mail) may be done twice.`
    : '      // Yours to write. Without a database nothing remembers an event: one that comes twice is handled twice.'
  return `import { ${constant} } from '${contractPackage(system)}'
import type { FastifyPluginAsync } from 'fastify'

/** Topic ${topic}. */
export const ${camelCase(topic)}Consumer: FastifyPluginAsync = async (app) => {
  app.consumer({
    topic: ${constant},
    async handle (event, { ${hasDatabase ? 'db, ' : ''}log }) {
${guarantee}
      // Throw \`permanent(error)\` (of @pair/service) and the event is dead-lettered at once; \`transient(error)\`, as for a server
      // that is down, and it waits as long as that lasts; another error, and it is dead-lettered after 5 attempts.
    }
  })
}
`
}

function route ({ system, hasDatabase }: NewService, { topic, constant }: ContractTopic): string {
  const send = hasDatabase
    ? `    await app.transaction(async db => {
      // Yours to write: with \`db\`, the change that the event reports. Both are stored, or neither. A stored event is sent.
      await app.outbox.add(db, event)
    })`
    : `    // Resolves when Kafka has acknowledged it. An event that must not be lost needs a database, and its outbox.
    await app.publish(event)`
  return `import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { newId, problemResponse } from '@pair/service'
import { ${constant} } from '${contractPackage(system)}'
import { Type } from 'typebox'

/** POST /${kebabCase(topic)}: publishes its body as an event of ${topic}. */
export const ${camelCase(topic)}Route: FastifyPluginAsyncTypebox = async (app) => {
  const create${pascalCase(topic)} = app.sends(${constant})

  app.post('/${kebabCase(topic)}', {
    schema: {
      body: ${constant}.data,
      response: { 202: Type.Object({ id: Type.String() }), '4xx': problemResponse, '5xx': problemResponse }
    }
  }, async (request, reply) => {
    // The subject is the id of what has changed, and the key of the message: events of one subject keep their order.
    const event = create${pascalCase(topic)}({ subject: newId(), data: request.body, traceparent: request.traceparent })
${send}
    reply.code(202)
    return { id: event.id }
  })
}
`
}
