import type { FastifyPluginAsync } from 'fastify'
import { inspect } from 'node:util'
import { print } from '@pair/service'
import { blog } from '@pair/messages-shared-topics'

/** As console.log shows an object, whole and in one line: what a message contains cannot break it, or control a terminal. */
const oneLine = { compact: true, breakLength: Infinity, maxStringLength: Infinity }

/** Topic blog: each message is printed, and committed after that. While nobody reads standard output, nothing more is fetched. */
export const printer: FastifyPluginAsync = async (app) => {
  const messages = app.stream(blog)

  async function printAll () {
    for await (const { data } of messages) await print(inspect(data, oneLine))
  }
  // Not awaited: it runs until the service ends. An error in it (standard output has no reader any more) ends the service.
  app.addHook('onReady', async () => { printAll() })
}
