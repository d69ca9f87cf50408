import type { OutboundMessage } from '../publishing/message.js'

/** The relay id of rows that no relay inserted: those of old versions and of manual SQL. */
export const noRelay = 0

/** The columns of a row that the relay needs. */
export interface OutboxRow extends OutboundMessage {
  /** The relay id under which the row was inserted. Only the relay that holds this id sends the row. */
  relay_id: number
}

/** A row that was just inserted. */
export interface InsertedRow extends OutboxRow {
  /** Id of the newest row of its aggregate and topic that waited at the insert and must be sent first; null if there was none. */
  previous: string | null
}

/**
 * SQL condition `parked is null` for this table alias, written so that PostgreSQL does not use the index outbox_relay_id for
 * a search by aggregate: with few statistics, PostgreSQL 18 would skip-scan its relay ids and read all waiting rows.
 */
export const isUnparked = (row: string) => `coalesce(${row}.parked is null, false)`
