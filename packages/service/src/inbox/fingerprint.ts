import { hash } from 'node:crypto'
import type { Event } from '@pair/events'

/**
 * Version of the hash input. Fingerprints of another version are not compared. (Older services hashed only the members that
 * they read, and wrote no version.)
 */
const version = '2:'

/**
 * A 72-bit hash of an event's type and data, stored in its inbox entry. It distinguishes a redelivered event from another
 * event with the same `source` and `id`, independent of the order of members. Null for data nested too deeply to serialise.
 */
export function fingerprint ({ type, data }: Pick<Event, 'type' | 'data'>): string | null {
  try {
    return version + hash('sha256', sortedJson([type, data]), 'base64').slice(0, 12)
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** Whether two fingerprints prove that the events differ; false if either is null or of another version. */
export function isOther (one: string | null, other: string | null): boolean {
  return one !== other && [one, other].every(print => print?.startsWith(version))
}

/** JSON with the members of each object sorted by name. (JSON.stringify with a replacer takes three times as long.) */
function sortedJson (value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(sortedJson).join()}]`
  const members = value as Record<string, unknown>
  return `{${Object.keys(members).sort().map(name => `${JSON.stringify(name)}:${sortedJson(members[name])}`).join()}}`
}
