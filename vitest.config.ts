import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// A consumer that ends keeps a thread of the pool until its group has answered. A service has one or two, a test file has dozens.
process.env.UV_THREADPOOL_SIZE ??= '64'

// Workspaces are used as built output, and node loads them: transformed copies of @pair/kafka beside the one that
// @fastify/kafka requires would be two clients.
const server = { deps: { external: [/\/dist\//] } }

// Files run side by side, more of them than there are cores, since they mostly wait: each has topics, groups, databases and
// ports of its own, and a broker of its own where it takes one away. A limit is there to end what hangs. It judges no speed,
// so it is far from what a slow machine needs; what is promised to be fast is measured by the test that says so.
const limits = { testTimeout: 1_800_000, hookTimeout: 1_800_000, maxWorkers: Math.max(3, availableParallelism()) }

const suite = (name: string, include: string[], rest = {}) => ({
  // Tests make copies of the repository in .data.
  test: { name, include, exclude: ['**/node_modules/**', '**/.data/**'], server, ...limits, ...rest }
})

/** Whole services first: they wait the longest, and shorter files fill what is left. */
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
      // Single processes and the launcher, which bring what they need.
      suite('local', ['packages/{dev,service}/test/**/*.process.test.ts']),
      // Whole services.
      suite('process', ['{test,microservices,examples}/**/*.process.test.ts'], { globalSetup: ['test/fixtures/broker.ts', 'test/fixtures/database.ts'] }),
      // Takes the ports of docker-compose.yml, so only where that is asked for: COMPOSE_COMMAND='docker compose'.
      ...(process.env.COMPOSE_COMMAND ? [suite('compose', ['test/**/*.compose.test.ts'])] : [])
    ]
  }
})
