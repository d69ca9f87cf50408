import { defineConfig } from 'vitest/config'

// Each consumer keeps a thread of the pool waiting for messages. A service has one or two, a test file has dozens.
process.env.UV_THREADPOOL_SIZE ??= '64'

// Workspaces are used as built output, and node loads them: transformed copies of shared-kafka beside the one that
// @fastify/kafka requires would be two clients.
const server = { deps: { external: [/\/dist\//] } }
const suite = (name: string, include: string[], rest = {}) => ({
  test: { name, include, server, ...rest }
})

const slow = (groupOrder: number) => ({ testTimeout: 120_000, hookTimeout: 120_000, fileParallelism: false, sequence: { groupOrder } })

export default defineConfig({
  test: {
    projects: [
      suite('fast', ['**/test/**/*.test.ts', '!**/*.{broker,db,process,compose}.test.ts']),
      suite('broker', ['**/test/**/*.broker.test.ts'], {
        globalSetup: 'test/fixtures/broker.ts', testTimeout: 60_000, hookTimeout: 60_000
      }),
      suite('database', ['**/test/**/*.db.test.ts'], {
        globalSetup: 'test/fixtures/database.ts', testTimeout: 30_000, hookTimeout: 30_000
      }),
      // Single processes and the launcher, which bring what they need.
      suite('local', ['{local,shared-service}/test/**/*.process.test.ts'], slow(1)),
      // Whole services, one file at a time, and by themselves: they have deadlines.
      suite('process', ['test/**/*.process.test.ts'], {
        ...slow(2), globalSetup: ['test/fixtures/broker.ts', 'test/fixtures/database.ts']
      }),
      // Takes the ports of docker-compose.yml, so only where that is asked for: COMPOSE_COMMAND='docker compose'.
      ...(process.env.COMPOSE_COMMAND ? [suite('compose', ['test/**/*.compose.test.ts'], slow(3))] : [])
    ]
  }
})
