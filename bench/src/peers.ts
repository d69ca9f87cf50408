import { createRequire } from 'node:module'

/** Whether the optional peer is installed: it is no dependency, because it takes minutes to download or compile. */
export const hasConfluent = isInstalled('@confluentinc/kafka-javascript')

function isInstalled (name: string): boolean {
  try {
    createRequire(import.meta.url)(name)
    return true
  } catch {
    return false
  }
}
