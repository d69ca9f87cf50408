import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import type { App } from '../http/app.js'
import type { Settings } from '../settings/settings.js'
import { delay } from '../concurrency/delay.js'

/** Starts listening on PORT and ADMIN_PORT. @throws Error that names the settings to change */
export async function listen (app: App, { HOST, PORT, ADMIN_PORT }: Settings): Promise<void> {
  limitHeapGrowth()
  await listenOn(app, HOST, 'PORT', PORT)
  if (ADMIN_PORT !== undefined) await listenOn(app.admin, HOST, 'ADMIN_PORT', ADMIN_PORT)
}

async function listenOn (server: Pick<FastifyInstance, 'listen'>, host: string, setting: string, port: number): Promise<void> {
  try {
    await server.listen({ host, port })
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException
    if (syscall !== 'listen') throw cause
    throw new Error(`cannot listen on HOST ${host}, ${setting} ${port}: ${code}`, { cause })
  }
}

/**
 * Returns the handler of end signals. It reports unready, keeps serving for SHUTDOWN_DELAY_MS (a second signal skips the rest),
 * then closes the app and ends the process. The exit code is 0 if the app closed within SHUTDOWN_GRACE_MS; it is 1 if that took
 * longer, if another signal arrived while closing, or after an uncaught error, which skips the delay.
 *
 * @param signals the signals that the caller handles, so that close-with-grace ignores them
 */
export function closeWithDelay (app: App, { SHUTDOWN_DELAY_MS, SHUTDOWN_GRACE_MS }: Settings, signals: readonly closeWithGrace.AllEvents[]): (signal: NodeJS.Signals) => void {
  const serving = new AbortController()
  const { close } = closeWithGrace({ delay: SHUTDOWN_GRACE_MS, logger: app.log, skip: [...signals] }, async ({ err }) => {
    if (err) app.log.fatal({ err }, 'ended by an uncaught error')
    app.isLeaving = true
    serving.abort()
    await app.close()
  })

  return function onSignal (signal) {
    if (serving.signal.aborted) {
      app.log.error({ signal }, 'ended by force: another signal while closing')
      process.exit(1)
    }
    if (app.isLeaving || SHUTDOWN_DELAY_MS === 0) {
      app.log.info({ signal }, 'closing')
      serving.abort()
      close()
      return
    }
    app.isLeaving = true
    app.log.info({ signal, delayMs: SHUTDOWN_DELAY_MS }, 'unready, still serving until the shutdown delay is over')
    delay(SHUTDOWN_DELAY_MS, serving.signal).then(() => onSignal(signal), () => {})
  }
}

/** Caps V8's heap growth at 2× the live set instead of up to 4×; no throughput is lost. With a heap limit below 2 GB, V8's own limits are stricter. */
function limitHeapGrowth (): void {
  if (getHeapStatistics().heap_size_limit >= 2 ** 31) setFlagsFromString('--heap-growing-percent=100')
}
