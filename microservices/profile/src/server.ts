import { readSettings } from 'shared-service/settings'

try {
  const settings = readSettings({ PORT: 3001 })
  // Loaded only now, so that a setting that is wrong is told at once.
  const { closeOnSignals, listen } = await import('shared-service')
  const { buildApp } = await import('./app.js')

  const app = await buildApp(settings, fail)
  closeOnSignals(app, settings.SHUTDOWN_GRACE_MS)
  await listen(app, settings)
} catch (error) {
  fail(error as Error)
}

/** What cannot be mended from inside: one line, and a supervisor starts the service again. */
function fail (error: Error): never {
  process.stderr.write(`profile-service: ${error.message}\n`)
  process.exit(1)
}
