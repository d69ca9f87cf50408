import type { OutboundMessage } from '../publishing/message.js'

/** The relay id of rows that no relay inserted: old versions, SQL by hand. */
export const noRelay = 0

/** What the relay needs of a row. */
export interface OutboxRow extends OutboundMessage {
  /** The relay id under which the row was inserted: the relay that holds that id sends the row, no other does. */
  relay_id: number
}

/** A row that was just inserted. */
export interface InsertedRow extends OutboxRow {
  /** The newest row of its aggregate and topic that waited in the table at the insert: that one goes first. Null where there was none. */
  previous: string | null
}

/**
 * That a row of this alias is not parked, as `parked is null` says, written so that the index outbox_relay_id is not taken
 * for a search by aggregate: PostgreSQL 18 skips through its relay ids, and reads all that wait where it knows too little of the table.
 */
export const isUnparked = (row: string) => `coalesce(${row}.parked is null, false)`
