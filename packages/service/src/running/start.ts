import { constants } from 'node:os'
import { join } from 'node:path'
import type { TProperties } from 'typebox'
import type { ServicePlugin } from '../app/build.js'

/** Signals that end a process. */
const endSignals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const

/** The exports of a service's `app.ts`. */
export interface AppModule {
  default: ServicePlugin
  /** Schemas of the service's own settings. */
  settings?: TProperties
}

/**
 * Runs a service, or with the argument `migrate` applies the migrations of its database and ends. The only module that touches
 * the process: signals, exit codes, errors before the logger exists.
 *
 * Signal listeners are added first, before anything is imported: for the first process of a container, the kernel ignores a
 * signal without a listener. Until the app exists there is nothing to finish, so a signal ends the process with 0.
 *
 * The service is the folder of the entry script, `<folder>/dist/server.js`.
 *
 * @param loadApp imports the service's app.ts; called only if the settings common to all services are valid
 */
export async function start (loadApp: () => Promise<AppModule>): Promise<void> {
  const [, entry = '', command, ...rest] = process.argv
  let name = 'the service'
  let onSignal: (signal: NodeJS.Signals) => void = signal => process.exit(command === undefined ? 0 : 128 + constants.signals[signal])
  // One listener for the whole lifetime: a signal between two listeners would kill the process.
  for (const signal of endSignals) process.on(signal, () => onSignal(signal))
  try {
    const { readManifest } = await import('../app/manifest.js')
    const manifest = readManifest(entry)
    name = manifest.name
    if (command !== undefined) {
      if (command !== 'migrate' || rest.length > 0) fail(new Error(`unknown argument ${rest[0] ?? command}: the only command is "migrate"; without an argument the service starts`), 2)
      const { migrateCommand } = await import('./migrate-command.js')
      process.exit(await migrateCommand(name, join(manifest.folder, 'migrations')))
    }
    const { readSettings } = await import('../settings/settings.js')
    const expected = { PORT: manifest.port, hasDatabase: manifest.hasDatabase }
    readSettings(expected)
    // Imported after the check, so that a wrong setting is reported immediately.
    const { closeWithDelay, listen } = await import('./running.js')
    const { buildService } = await import('../app/build.js')
    const { default: plugin, settings: own = {} } = await loadApp()
    const settings = readSettings({ ...expected, own })

    const app = await buildService(manifest, plugin, settings, fail)
    onSignal = closeWithDelay(app, settings, endSignals)
    await listen(app, settings)
  } catch (error) {
    fail(error as Error)
  }

  /** Ends the process with one line on stderr; its supervisor restarts it. With source maps on (`npm run dev`) the line is the stack trace. */
  function fail (error: Error, exitCode = 1): never {
    process.stderr.write(`${name}: ${process.sourceMapsEnabled ? error.stack : error.message}\n`)
    process.exit(exitCode)
  }
}
