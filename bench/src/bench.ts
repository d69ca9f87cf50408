import type { Broker } from './broker.js'
import type { Postgres } from './postgres.js'
import type { Table } from './rounds.js'

/** Parameters of every comparison. */
export interface Bench {
  readonly broker: Broker
  readonly postgres: Postgres
  readonly rounds: number
  readonly isQuick: boolean
  /** Only rows with this text in their title. */
  readonly only: string | undefined
  readonly progress: (text: string) => void
}

/** A file of `comparisons/`. */
export interface Comparison { compare: (bench: Bench) => AsyncIterable<Table> }
