import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// A closing consumer uses a thread of libuv's pool until its group has answered. A service has one or two consumers, a test file dozens.
process.env.UV_THREADPOOL_SIZE ??= '64'

// Node loads the workspaces' built output: transformed by vitest, @pair/kafka would be loaded twice, because @fastify/kafka
// requires the original.
const server = { deps: { external: [/\/dist\//] } }

// Test files run concurrently, more than there are cores, because they mostly wait. Each has its own topics, groups, databases
// and ports, and its own broker if it stops one. The time limits only end tests that hang, so they far exceed what a slow machine
// needs; a test that promises a time measures it itself.
const limits = { testTimeout: 1_800_000, hookTimeout: 1_800_000, maxWorkers: Math.max(3, availableParallelism()) }

const suite = (name: string, include: string[], rest = {}) => ({
  // .data, because tests copy the repository into it.
  test: { name, include, exclude: ['**/node_modules/**', '**/.data/**'], server, ...limits, ...rest }
})

/** Runs tests of whole services first, because they take the longest; shorter files then fill the gaps. */
class LongestFirst extends BaseSequencer {
  override async sort (files: TestSpecification[]) {
    const isShort = ({ project }: TestSpecification) => Number(project.name !== 'process')
    return (await super.sort(files)).sort((a, b) => isShort(a) - isShort(b))
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      suite('fast', ['**/test/**/*.test.ts', '!**/*.{broker,db,process,compose}.test.ts']),
      suite('broker', ['**/test/**/*.broker.test.ts'], { globalSetup: 'test/fixtures/broker.ts' }),
      suite('database', ['**/test/**/*.db.test.ts'], { globalSetup: 'test/fixtures/database.ts' }),
      // Tests of single processes and the launcher, which start what they need.
      suite('local', ['packages/{dev,service}/test/**/*.process.test.ts']),
      // Tests of whole services.
      suite('process', ['{test,microservices,examples}/**/*.process.test.ts'], { globalSetup: ['test/fixtures/broker.ts', 'test/fixtures/database.ts'] }),
      // Uses the ports of the Compose files, so one file at a time, and only on request: COMPOSE_COMMAND='docker compose'.
      ...(process.env.COMPOSE_COMMAND ? [suite('compose', ['test/**/*.compose.test.ts'], { maxWorkers: 1, sequence: { groupOrder: 1 } })] : [])
    ]
  }
})
