import type { Broker } from '../broker.js'
import type { Postgres } from '../postgres.js'

/** What every comparison is given. */
export interface Bench {
  broker: Broker
  postgres: Postgres
  rounds: number
  isQuick: boolean
  /** Only rows with this text in their title. */
  only?: string
  progress: (text: string) => void
}
