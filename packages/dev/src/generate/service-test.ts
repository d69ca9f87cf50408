import { contractPackage, type NewService } from './contract.js'
import { kebabCase, upFrom } from './names.js'

/** The test of a new service: it processes an event of each topic that it reads, and sends one of each that it writes. */
export function serviceTest ({ name, folder, system, receives, sends, hasDatabase }: NewService): string {
  const fixtures = `${upFrom(folder)}/../test/fixtures`
  const entry = system === '' ? name : folder
  const topics = [...new Set([...receives, ...sends])]
  const imports = topics.flatMap(topic => [...receives.includes(topic) ? [topic.constant] : [], `${topic.constant}Example`])
  const usesTopic = receives.length > 0
  const times = hasDatabase ? '{ processed: 1, duplicate: 1 }' : '{ processed: 2 }'
  return [
    ...imports.length > 0 ? [`import { ${imports.join(', ')} } from '${contractPackage(system)}'`] : [],
    "import { expect, test } from 'vitest'",
    `import { ${[...usesTopic ? ['onBroker', 'put'] : [], 'startReady', 'useBroker'].join(', ')} } from '${fixtures}/harness.js'`,
    ...topics.length > 0 ? [`import { eventually${usesTopic ? ', outcomesOf' : ''}${sends.length > 0 ? ', sentBy' : ''} } from '${fixtures}/services.js'`] : [],
    '',
    'useBroker()',
    '',
    ...receives.flatMap(({ topic, constant }) => [
      `test('${name} processes an event of ${topic}${hasDatabase ? ' once, also when it is delivered twice' : ''}', async () => {`,
      `  const service = await startReady('${entry}')`,
      `  const message = { topic: onBroker(${constant}.name), value: ${constant}Example }`,
      '  await put(message, message)',
      `  await eventually(async () => expect(await outcomesOf(service, ${constant}.name)).toEqual(${times}))`,
      '})',
      ''
    ]),
    ...sends.flatMap(({ topic, constant }) => [
      `test('${name} publishes an event of ${topic}', async () => {`,
      `  const service = await startReady('${entry}')`,
      `  const answer = await fetch(new URL('/${kebabCase(topic)}', service.url), {`,
      `    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(${constant}Example.data)`,
      '  })',
      '  expect(answer.status).toBe(202)',
      '  await eventually(async () => expect(await sentBy(service)).toBe(1))',
      '})',
      ''
    ]),
    ...topics.length === 0
      ? [
          `test('${name} starts and becomes ready', async () => {`,
          `  const service = await startReady('${entry}')`,
          "  expect((await fetch(new URL('/hello', service.url))).status).toBe(200)",
          '})',
          ''
        ]
      : []
  ].join('\n')
}
