import { readdirSync } from 'node:fs'
import { readSystem } from '@pair/dev'
import { expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { composeOf, sh } from './fixtures/compose.js'
import { Bindings } from './fixtures/page-output.js'
import { blocksOf, readText, root } from './fixtures/pages.js'
import { eventually } from './fixtures/services.js'

// The examples' own docker-compose.yml as they stand, on the ports that their READMEs name.

// Mailpit's page is another one, but takes the same calls.
const env = { MAIL_IMAGE: process.env['MAIL_IMAGE'] ?? 'fastify-kafka-pair/music-mail-sink' }

test.each(readdirSync(`${root}/examples`))('examples/%s starts through Compose, and what its README calls to see it work is answered as it prints it', async name => {
  const folder = `examples/${name}`
  const compose = composeOf(folder, env)
  const { services } = parse(readText(`${folder}/docker-compose.yml`), { merge: true }) as { services: Record<string, { build?: object }> }
  const down = async () => { await compose('down', '--volumes', '--remove-orphans') }
  await down()
  onTestFinished(down)
  await compose('build', ...Object.keys(services).filter(name => services[name]?.build)) // named, it is built without its profile
  await compose('up', '--detach')
  for (const { port } of readSystem(folder).services.filter(({ name }) => name !== 'mail-sink')) {
    await eventually(async () => expect((await fetch(`http://localhost:${port}/health/ready`)).status).toBe(200))
  }

  const bindings = new Bindings()
  const blocks = blocksOf(readText(`${folder}/README.md`)).filter(({ heading }) => heading === 'See it work')
  expect(blocks.some(({ language }) => language === 'sh')).toBe(true)
  for (const [index, { language, text }] of blocks.entries()) {
    const printed = blocks[index + 1]
    if (language === 'sh') {
      await eventually(async () => {
        const output = await sh(bindings.command(text))
        if (printed?.language === 'json') expect(bindings.matches(printed.text, output), `${text}\n${output}`).toBe(true)
      })
    } else if (language === '') await eventually(async () => expect(await compose('logs', '--no-log-prefix')).toContain(text))
  }
})
