import { contractPackage, type ContractTopic, type NewService } from './contract.js'
import { camelCase, kebabCase, pascalCase, upFrom } from './names.js'
import { serviceTest } from './service-test.js'

/** The route of a service that neither reads nor writes a topic. */
const hello = "  app.get('/hello', { schema: { operationId: 'hello', summary: 'Greets' } }, async () => ({ hello: 'world' }))"

/** The files of a new service except package.json, by their paths in its folder. */
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
    ? `      // To do: handle the event. Writes with \`db\` are one transaction with the event's inbox entry, so that an event that is
      // delivered twice has its effect once. Effects elsewhere (a mail) may happen twice.`
    : '      // To do: handle the event. A service without a database has no inbox: an event that is delivered twice is handled twice.'
  return `import { ${constant} } from '${contractPackage(system)}'
import type { FastifyPluginAsync } from 'fastify'

/** Topic ${topic}. */
export const ${camelCase(topic)}Consumer: FastifyPluginAsync = async (app) => {
  app.consumer({
    topic: ${constant},
    async handle (event, { ${hasDatabase ? 'db, ' : ''}log }) {
${guarantee}
      // Errors: \`permanent(error)\` (from @pair/service) dead-letters the event without a retry; \`transient(error)\`, for example
      // for a server that is down, is retried without limit; any other error dead-letters it after 5 attempts.
    }
  })
}
`
}

function route ({ system, hasDatabase }: NewService, { topic, constant }: ContractTopic): string {
  const send = hasDatabase
    ? `    await app.transaction(async db => {
      // To do: store the change that the event reports, with \`db\`. Change and event are stored together or not at all.
      await app.outbox.add(db, event)
    })`
    : `    // Resolves when Kafka has acknowledged the event. For events that must not be lost, use a database and the outbox.
    await app.publish(event)`
  return `import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { newId } from '@pair/service'
import { ${constant}, ${constant}Example } from '${contractPackage(system)}'
import { Type } from 'typebox'

/** POST /${kebabCase(topic)}: publishes its body as an event of ${topic}. */
export const ${camelCase(topic)}Route: FastifyPluginAsyncTypebox = async (app) => {
  const create${pascalCase(topic)} = app.sends(${constant})

  app.post('/${kebabCase(topic)}', {
    config: { exampleBody: () => ${constant}Example.data },
    schema: {
      operationId: 'publish${pascalCase(topic)}',
      summary: 'Publishes an event of ${topic}',
      body: ${constant}.data,
      response: { 202: Type.Object({ id: Type.String() }, { description: 'The event ${hasDatabase ? 'is stored, and will be sent' : 'is sent'}' }) }
    }
  }, async (request, reply) => {
    // The subject is the id of the changed entity and the key of the message: events of one subject keep their order.
    const event = create${pascalCase(topic)}({ subject: newId(), data: request.body, traceparent: request.traceparent })
${send}
    reply.code(202)
    return { id: event.id }
  })
}
`
}
