import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, inject, test, type TestContext } from 'vitest'

// What @fastify/kafka 4.0.0 ships beside its code: its own tests, and its example.

const require = createRequire(import.meta.url)
const plugin = dirname(require.resolve('@fastify/kafka/package.json'))
const root = fileURLToPath(new URL('../../..', import.meta.url))

const needsKafka = ({ skip }: TestContext) => skip(inject('brokerKind') === 'embedded', 'the embedded broker creates no topics on demand')

/** Runs Node in the repository; what it wrote to standard output, and its exit code. */
function runNode (args: string[]) {
  return new Promise<{ code: unknown, stdout: string }>(resolve => {
    execFile(process.execPath, args, { cwd: root, timeout: 300_000, env: { ...process.env, NODE_TEST_CONTEXT: undefined } }, (error, stdout) => {
      resolve({ code: error === null ? 0 : error.code ?? error.signal, stdout })
    })
  })
}

test.concurrent('the plugin\'s own tests pass, but for the one that the README names', async context => {
  needsKafka(context)
  // Its tests know one broker.
  const elsewhere = `import { createRequire } from 'node:module'
    createRequire(${JSON.stringify(import.meta.url)})('@fastify/kafka/test/utils.js').BOOTSTRAP_BROKERS[0] = ${JSON.stringify(inject('kafkaBrokers'))}`
  const files = ['consumer', 'producer'].map(name => join(plugin, 'test', `${name}.test.js`))
  // A test that fails leaves its producer open.
  const { stdout } = await runNode(['--import', `data:text/javascript,${encodeURIComponent(elsewhere)}`, '--test', '--test-force-exit', '--test-reporter=tap', ...files])
  const results = [...stdout.matchAll(/^ {4}(not )?ok \d+ - (.+)$/gm)]
  expect(results.filter(([, failed]) => failed).map(([,, name]) => name)).toEqual(['should handle send errors when broker is invalid'])
  expect(results).toHaveLength(21)
  expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain('PLT_KFK_MULTIPLE')
})

test.concurrent('the plugin\'s example runs unchanged, but for broker and port', async context => {
  needsKafka(context)
  const example = readFileSync(join(plugin, 'examples', 'basic.js'), 'utf8')
  const changed = example.replaceAll('127.0.0.1:9092', inject('kafkaBrokers')).replace('port: 3000', 'port: 0').replace("require('..')", "require('@fastify/kafka')")
  const { code, stdout } = await runNode(['--input-type=commonjs', '-e', changed])
  expect(stdout).toContain('Received on TEST: hello world!')
  expect(stdout).toContain('Received on KAFKA: Response from test topic')
  expect(code).toBe(0)
})
