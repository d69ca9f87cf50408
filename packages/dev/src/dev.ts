import { launch } from './launch.js'
import { freePortFrom } from './ports.js'
import { watchSources } from './source-watch.js'
import type { System } from './system.js'

// npm run dev [system]: like npm start, and restarts a service when its sources, or those of a package that it uses, change and
// compile. Broker, database and their data stay.

/** Node's default port for debuggers. Each further service gets the next free port. */
const firstDebuggerPort = 9229

let folders: ReadonlyMap<string, string> = new Map()

const launcher = await launch(process.argv[2], async ({ services }: System) => {
  folders = new Map(services.map(({ name, folder }) => [name, folder]))
  const ports = new Map<string, number>()
  for (const { name } of services) ports.set(name, await freePortFrom(Math.max(firstDebuggerPort, ...[...ports.values()].map(port => port + 1))))
  return {
    keepsRunning: true,
    execArgv: name => ['--enable-source-maps', `--inspect=127.0.0.1:${ports.get(name)}`],
    hint: `Debuggers: ${[...ports].map(([name, port]) => `127.0.0.1:${port} (${name})`).join(', ')}`
  }
})

launcher.onEnd = watchSources(folders, name => launcher.restart(name))
