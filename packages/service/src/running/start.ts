import { constants } from 'node:os'
import { join } from 'node:path'
import type { TProperties } from 'typebox'
import type { ServicePlugin } from '../app/build.js'

/** Those that somebody sends to end a process. */
const endSignals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const

/** What a service is made of: its `app.ts`. */
export interface AppModule {
  default: ServicePlugin
  /** Schemas of the service's own settings. */
  settings?: TProperties
}

/**
 * Runs a service, or with the argument `migrate` brings its database up to date and ends. The only module that touches the
 * process: signals, exit codes, what cannot be logged any more.
 *
 * Signals count from the first moment, before anything is imported. Until the app is there nothing is begun, so the process
 * ends with 0 at once. Where node is the first process of a container, the kernel would drop a signal that has no listener.
 *
 * The service is the folder of the entry script, `<folder>/dist/server.js`.
 *
 * @param loadApp imports the service's app.ts; called only when the settings that every service has are right
 */
export async function start (loadApp: () => Promise<AppModule>): Promise<void> {
  const [, entry = '', command, ...rest] = process.argv
  let name = 'the service'
  let onSignal: (signal: NodeJS.Signals) => void = signal => process.exit(command === undefined ? 0 : 128 + constants.signals[signal])
  // They stay: a signal that comes between two listeners would find none, and end the process hard.
  for (const signal of endSignals) process.on(signal, () => onSignal(signal))
  try {
    const { readManifest } = await import('../app/manifest.js')
    const manifest = readManifest(entry)
    name = manifest.name
    if (command !== undefined) {
      if (command !== 'migrate' || rest.length > 0) fail(new Error(`unknown argument ${rest[0] ?? command}: there is "migrate", and none for the service itself`), 2)
      const { migrateCommand } = await import('./migrate-command.js')
      process.exit(await migrateCommand(name, join(manifest.folder, 'migrations')))
    }
    const { readSettings } = await import('../settings/settings.js')
    const expected = { PORT: manifest.port, hasDatabase: manifest.hasDatabase }
    readSettings(expected)
    // Loaded only now, so that a setting that is wrong is told at once.
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

  /** What cannot be mended from inside: one line, and a supervisor starts the service again. */
  function fail (error: Error, exitCode = 1): never {
    process.stderr.write(`${name}: ${error.message}\n`)
    process.exit(exitCode)
  }
}
