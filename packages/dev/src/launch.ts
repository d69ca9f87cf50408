import { Launcher, type LauncherOptions } from './launcher.js'
import { readSystem, type System } from './system.js'

/**
 * Starts a system (default: the pair), and prints a message when it is ready. If the start fails, it prints one line with the
 * reason and ends the process.
 *
 * @param root folder of the system, absolute or relative to the repository
 */
export async function launch (root: string | undefined, optionsOf: (system: System) => Promise<LauncherOptions> = async () => ({})): Promise<Launcher> {
  let launcher: Launcher | undefined
  try {
    const system = readSystem(root)
    launcher = new Launcher(system, await optionsOf(system))
    await launcher.start()
    return launcher
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    await launcher?.stop(1, reason)
    console.error(reason)
    process.exit(1)
  }
}
