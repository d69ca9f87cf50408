import { createRequire } from 'node:module'

/** Whether somebody has installed it beside the peers: it is no dependency, because it is downloaded or compiled for minutes. */
export const hasConfluent = isInstalled('@confluentinc/kafka-javascript')

function isInstalled (name: string): boolean {
  try {
    createRequire(import.meta.url)(name)
    return true
  } catch {
    return false
  }
}
