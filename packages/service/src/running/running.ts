import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import type { App } from '../http/app.js'
import type { Settings } from '../settings/settings.js'
import { delay } from '../concurrency/delay.js'

/** Starts to listen. @throws one Error that names the settings to change */
export async function listen (app: App, { HOST, PORT, ADMIN_PORT }: Settings): Promise<void> {
  cleanUpSooner()
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
 * Returns what a service does at a signal to end: it says unready, serves on for SHUTDOWN_DELAY_MS (a second signal ends
 * that), then closes the app and ends the process: with 0 when it was closed within SHUTDOWN_GRACE_MS from then; with 1
 * when that took longer, at a signal while it closes, or after an error that nobody caught, which is not delayed.
 *
 * @param signals those that the caller listens to, and so close-with-grace does not
 */
export function closeWithDelay (app: App, { SHUTDOWN_DELAY_MS, SHUTDOWN_GRACE_MS }: Settings, signals: readonly closeWithGrace.AllEvents[]): (signal: NodeJS.Signals) => void {
  const serving = new AbortController()
  const { close } = closeWithGrace({ delay: SHUTDOWN_GRACE_MS, logger: app.log, skip: [...signals] }, async ({ err }) => {
    if (err) app.log.fatal({ err }, 'ended by an error that nobody caught')
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
    app.log.info({ signal, delayMs: SHUTDOWN_DELAY_MS }, 'unready, and serving on for a while')
    delay(SHUTDOWN_DELAY_MS, serving.signal).then(() => onSignal(signal), () => {})
  }
}

/** Where memory is plenty, V8 lets up to four times gather of what is in use. Twice makes a busy service no slower. With less memory V8 is strict by itself. */
function cleanUpSooner (): void {
  if (getHeapStatistics().heap_size_limit >= 2 ** 31) setFlagsFromString('--heap-growing-percent=100')
}
