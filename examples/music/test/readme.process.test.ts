import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { freePort } from '@pair/dev'
import { expect, test } from 'vitest'
import { run, temporary } from '../../../packages/dev/test/running.js'
import { Bindings } from '../../../test/fixtures/page-output.js'
import { blocksOf, readText } from '../../../test/fixtures/pages.js'
import { eventually } from '../../../test/fixtures/services.js'
import { newUser } from './system.js'

const readme = readText('examples/music/README.md')

test('the system starts with its one command, and the calls of its README do and print what it says', async () => {
  const names = { 3013: 'ACCOUNTS_PORT', 3014: 'MAILING_PORT', 3015: 'MUSIC_DISCOVERY_PORT', 8025: 'MAIL_SINK_PORT' }
  const ports: Record<string, string> = {}
  for (const port of Object.keys(names)) ports[port] = String(await freePort())
  const smtpPort = String(await freePort())
  const unset = Object.fromEntries(Object.keys(process.env).filter(name => /^KAFKA_|DATABASE_URL$/.test(name)).map(name => [name, '']))
  const system = run(['packages/dev/dist/start.js', 'examples/music'], {
    env: { ...unset, DATA_DIR: await temporary(), SMTP_PORT: smtpPort, MAIL_URL: `smtp://127.0.0.1:${smtpPort}`, ...Object.fromEntries(Object.entries(names).map(([port, name]) => [name, ports[port]])) }
  })
  await system.said(/Ready\.[^]*Ctrl-C ends everything/)
  for (const port of Object.values(ports)) expect(system.output()).toContain(`localhost:${port}`)

  const withPorts = (text: string) => text.replaceAll(/(?<=localhost:)\d{4}/g, port => ports[port] ?? port)
  const bindings = new Bindings()
  const blocks = blocksOf(readme)
  const calls = blocks.flatMap((block, index) => block.language === 'sh' && block.text.startsWith('curl') ? [{ ...block, printed: blocks[index + 1] }] : [])
  expect(calls).toHaveLength(6)
  for (const { text, line, printed } of calls) {
    const call = async () => {
      const { stdout } = await promisify(execFile)('bash', ['-euc', withPorts(bindings.command(text))])
      if (printed?.language === 'json' && !bindings.matches(printed.text, stdout)) expect(stdout, `line ${line}`).toBe(printed.text)
    }
    if (text.includes('-X ')) await call()
    else await eventually(call)
  }

  const mails = async () => await (await fetch(withPorts('http://localhost:8025'))).text()
  await eventually(async () => {
    for (const name of ['john_doe', 'jane_doe']) expect((await mails()).split(`Welcome, ${name}!`)).toHaveLength(2)
  })

  // A recipient that is refused for good is no outage.
  const send = async (method: string, url: string, body: object) => await fetch(withPorts(url), { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  await send('PUT', 'http://localhost:8025/api/v1/chaos', { Recipient: { ErrorCode: 550, Probability: 100 } })
  await send('POST', 'http://localhost:3013/users', { ...newUser(), username: 'jack_doe' })
  await eventually(async () => expect(await (await fetch(withPorts('http://localhost:3014/metrics'))).text()).toMatch(/^dead_letters_total\{.*\} 1$/m))
  expect((await fetch(withPorts('http://localhost:3014/health/ready'))).status).toBe(200)
  system.kill('SIGTERM')
  expect(await system.ended).toBe(0)
})

test('the README is read in a few minutes: at most 100 lines', () => {
  expect(readme.split('\n').length - 1).toBeLessThanOrEqual(100)
})
