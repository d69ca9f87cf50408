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
