import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { freePort } from '@pair/dev'
import { expect, test } from 'vitest'
import { cloneRepository } from '../packages/dev/test/clone.js'
import { temporary } from '../packages/dev/test/running.js'
import { before, changesFiles, commandsOf, exitCodeOf, isNotRun, isQuestion, notRun, serverOf, servers } from './fixtures/page-commands.js'
import { Bindings } from './fixtures/page-output.js'
import { PageShell } from './fixtures/page-shell.js'
import { blocksOf, manual, readText, root, type Block } from './fixtures/pages.js'
import { eventually } from './fixtures/services.js'

// Every command of the README and of docs/ is run as it stands, on what is embedded, and what it prints is what the page says.

const pages = manual.map(page => ({ page, blocks: blocksOf(readText(page)) })).filter(({ blocks }) => blocks.flatMap(commandsOf).some(command => !isNotRun(command)))

test.for(pages)('the commands of $page do and print what it says', async ({ page, blocks }, { skip }) => {
  for (const tool of ['kcat', 'psql']) {
    const isNeeded = blocks.flatMap(commandsOf).some(command => command.includes(`${tool} `) && !isNotRun(command))
    skip(isNeeded && spawnSync('which', [tool]).status !== 0, `${tool} is not installed`)
  }
  const ports = new Map<number, number>()
  for (const port of [3000, 3001, 3003, 3004, 4025]) ports.set(port, await freePort())
  const withPorts = (text: string) => text.replaceAll(/(?<=localhost:|127\.0\.0\.1:|listen\()\d{4}\b/g, port => String(ports.get(Number(port)) ?? port))
  const folder = changesFiles.includes(page) ? await cloneRepository() : root
  const terminal = new PageShell(folder, await environment(ports))
  const bindings = new Bindings()

  const all = [...blocksOf(before[page] ?? ''), ...blocks]
  for (const [index, block] of all.entries()) {
    const path = /^(?:\/\/|--) ((?:[\w.-]+\/)+[\w.-]+)\n/.exec(block.text)?.[1]
    if (path !== undefined && changesFiles.includes(page)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), `${withPorts(block.text.slice(block.text.indexOf('\n') + 1))}\n`)
    }
    const commands = commandsOf(block).filter(command => !isNotRun(command))
    if (commands.length > 0) await tryBlock(commands, outputsOf(all, index), `${page}, line ${block.line}`)
  }

  async function tryBlock (commands: string[], outputs: Block[], where: string): Promise<void> {
    const printed = outputs.find(({ language }) => language !== 'log')
    let written = ''
    const last = commands.findLastIndex(command => !isQuestion(command))
    for (const command of commands.slice(0, last + 1)) written += await execute(command)
    const questions = commands.slice(last + 1)
    const check = async () => {
      let output = written
      for (const command of questions) output += await execute(command)
      if (printed !== undefined && !bindings.matches(withPorts(printed.text), output, commands.some(serverOf))) expect(output, where).toBe(printed.text)
    }
    if (questions.length > 0) await eventually(check)
    else await check()
    for (const line of outputs.filter(({ language }) => language === 'log').flatMap(({ text }) => text.split('\n'))) {
      await eventually(() => expect(isLogged(line, terminal.log), `${where}: not logged: ${line}`).toBe(true))
    }
  }

  async function execute (written: string): Promise<string> {
    const command = withPorts(bindings.command(written))
    const server = serverOf(written)
    if (server !== undefined) {
      const { port, ...rest } = server
      const started = await terminal.serve(command, { ...rest, env: port === undefined ? {} : { PORT: String(ports.get(port)) } })
      const address = /broker (127\.0\.0\.1:\d+)/.exec(started.output())?.[1]
      const named = /^BROKER=(\S+)$/m.exec(readText(page))?.[1]
      if (address !== undefined && named !== undefined) bindings.bind(named, address)
      return started.output()
    }
    const { output, code } = await terminal.run(command)
    expect(code, `${command}\n${output}`).toBe(exitCodeOf(written))
    return output
  }

  function isLogged (line: string, log: string): boolean {
    const members = Object.entries(JSON.parse(line) as Record<string, unknown>)
    const lines = log.split('\n').filter(text => text.startsWith('{')).flatMap(text => { try { return [JSON.parse(text) as Record<string, unknown>] } catch { return [] } })
    const printed = members.map(([name, value]) => JSON.stringify({ [name]: value })).join('\n')
    return lines.some(found => bindings.matches(printed, members.map(([name]) => JSON.stringify({ [name]: found[name] })).join('\n')))
  }
})

test('each command that is not run, and each that stays, is on a page', () => {
  const commands = pages.flatMap(({ blocks }) => blocks.flatMap(commandsOf)).concat(manual.flatMap(page => blocksOf(readText(page)).flatMap(commandsOf)))
  for (const [pattern] of [...notRun, ...servers]) expect(commands.some(command => pattern.test(command)), String(pattern)).toBe(true)
})

/** The blocks with what a block of commands prints and causes to be logged: those up to the next one, under the same heading. */
function outputsOf (blocks: readonly Block[], index: number): Block[] {
  const behind = blocks.slice(index + 1)
  const end = behind.findIndex(({ language, heading }) => !['text', 'json', 'log'].includes(language) || heading !== blocks[index]?.heading)
  return behind.slice(0, end < 0 ? undefined : end)
}

/** Without the suite's own broker and databases; curl without its progress. */
async function environment (ports: ReadonlyMap<number, number>): Promise<NodeJS.ProcessEnv> {
  const folder = await temporary()
  await writeFile(join(folder, '.curlrc'), 'silent\nshow-error\n')
  const unset = Object.fromEntries(Object.keys(process.env).filter(name => /^KAFKA_|DATABASE_URL$/.test(name)).map(name => [name, '']))
  return {
    ...process.env,
    ...unset,
    CURL_HOME: folder,
    DATA_DIR: join(folder, 'data'),
    npm_config_loglevel: 'silent',
    npm_config_offline: 'true', // what is installed is enough
    npm_config_ignore_scripts: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    NO_COLOR: '1',
    USER_PORT: String(ports.get(3000)),
    PROFILE_PORT: String(ports.get(3001)),
    MAILER_PORT: String(ports.get(3003)),
    ORDERS_PORT: String(ports.get(3003)),
    BILLING_PORT: String(ports.get(3004))
  }
}
