import { freePort } from '@pair/dev'
import { expect, test } from 'vitest'
import { repository, run, temporary } from '../../../packages/dev/test/running.js'
import { Bindings } from '../../../test/fixtures/page-output.js'
import { PageShell } from '../../../test/fixtures/page-shell.js'
import { blocksOf, readText } from '../../../test/fixtures/pages.js'
import { eventually } from '../../../test/fixtures/services.js'

const readme = readText('examples/payments/README.md')
const services = ['api-gateway', 'auth', 'payments', 'provider']

test('the README has at most 100 lines, and its calls print what it says when the launcher has started the system', async () => {
  expect(readme.split('\n').length - 1).toBeLessThanOrEqual(100)
  const ports = await Promise.all(services.map(async () => await freePort()))
  const withPorts = (text: string) => text.replaceAll(/(?<=localhost:)\d{4}/g, port => String(ports[Number(port) - 3010]))
  const folder = await temporary()
  const system = run(['packages/dev/dist/start.js', 'examples/payments'], {
    env: {
      ...Object.fromEntries(services.map((name, index) => [`${name.toUpperCase().replace('-', '_')}_PORT`, String(ports[index])])),
      PROVIDER_URL: `http://127.0.0.1:${ports[3]}`,
      DATA_DIR: folder,
      KAFKA_BROKERS: '',
      DATABASE_URL: ''
    }
  })
  await system.said(/Ctrl-C ends everything/)

  const shell = new PageShell(repository, { ...process.env, NO_COLOR: '1' })
  const bindings = new Bindings()
  const blocks = blocksOf(readme)
  const calls = blocks.filter(({ language, text }) => language === 'sh' && text.startsWith('curl '))
  expect(calls).toHaveLength(4)
  for (const call of calls) {
    const printed = blocks[blocks.indexOf(call) + 1]
    await eventually(async () => {
      const outputs: string[] = []
      for (const command of call.text.split('\n')) outputs.push((await shell.run(withPorts(bindings.command(command)).replace('curl ', 'curl --silent '))).output)
      const output = outputs.join('\n')
      if (printed?.language === 'json' && !bindings.matches(printed.text, output)) expect(output).toBe(printed.text)
    })
  }
})
