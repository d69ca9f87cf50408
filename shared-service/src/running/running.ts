import closeWithGrace from 'close-with-grace'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import type { App } from '../http/app.js'
import type { Settings } from '../settings/settings.js'

/** Starts to listen. @throws one Error that names the settings to change */
export async function listen (app: App, { HOST, PORT }: Settings): Promise<void> {
  cleanUpSooner()
  try {
    await app.listen({ host: HOST, port: PORT })
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException
    if (syscall !== 'listen') throw cause
    throw new Error(`cannot listen on HOST ${HOST}, PORT ${PORT}: ${code}`, { cause })
  }
}

/**
 * On SIGTERM or SIGINT closes the app and ends the process: 0 when that was done within `graceMs` milliseconds, 1 when it
 * took longer, at a second signal, or after an error that nobody caught.
 */
export function closeOnSignals (app: App, graceMs: number): void {
  closeWithGrace({ delay: graceMs, logger: app.log }, async ({ signal, err }) => {
    if (err) app.log.fatal({ err }, 'ended by an error that nobody caught')
    else app.log.info({ signal }, 'closing')
    await app.close()
  })
}

/** Where memory is plenty, V8 lets up to four times gather of what is in use. Twice makes a busy service no slower. With less memory V8 is strict by itself. */
function cleanUpSooner (): void {
  if (getHeapStatistics().heap_size_limit >= 2 ** 31) setFlagsFromString('--heap-growing-percent=100')
}
