import type { MessageHeaders } from './message.js'

/** Where the messages of a topic go that cannot be processed. */
export function deadLetterTopic (name: string): string {
  return `${name}.dlq`
}

/** Kafka's own limit for the name of a group, the longest name that becomes a header. */
const longestName = 32_767

/**
 * Text as every client and broker takes it in a header: UTF-8 of at most `maxBytes`, cut between two characters. A NUL, at
 * which C libraries end a text, and half of a surrogate pair, which UTF-8 cannot hold, become U+FFFD.
 */
export function headerText (text: string, maxBytes = longestName): string {
  const bytes = Buffer.from(text.replaceAll('\0', '\ufffd')) // which replaces halves of pairs, too
  let end = Math.min(maxBytes, bytes.length)
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1 // in the middle of a character
  return bytes.toString('utf8', 0, end)
}

/** Of a replay: the consumer groups that it is meant for, as a JSON array. Every other group commits it and does nothing. */
export const replayGroupsHeader = 'dlq.replay.groups'

/** Whether a message is for this group: any but a replay that names others. A header that cannot be read keeps nothing away. */
export function isFor (group: string, headers: MessageHeaders): boolean {
  const header = headers.findLast(header => replayGroupsHeader in header)
  if (header === undefined) return true
  const groups = readGroups(header[replayGroupsHeader])
  return groups === undefined || groups.includes(headerText(group))
}

function readGroups (bytes: Uint8Array | undefined): string[] | undefined {
  try {
    const groups: unknown = JSON.parse(Buffer.from(bytes ?? []).toString())
    return Array.isArray(groups) && groups.every(group => typeof group === 'string') ? groups : undefined
  } catch {
    return undefined
  }
}

/** Of a replay and of its dead letters: when the message was first written, in ms since 1970, by the broker's clock. */
export const firstTimestampHeader = 'dlq.first.timestamp'

/**
 * When a message was first written: it itself, or what it is a replay of. In ms since 1970; -1 where nothing says so.
 * Whoever writes a header can make a message older by it, and not younger.
 */
export function firstTimestamp ({ headers, timestamp }: { headers: MessageHeaders, timestamp: number }): number {
  const header = headers.findLast(header => firstTimestampHeader in header)?.[firstTimestampHeader]
  const said = header === undefined ? '' : Buffer.from(header).toString()
  if (!/^\d{1,15}$/.test(said)) return timestamp
  return timestamp < 0 ? Number(said) : Math.min(Number(said), timestamp)
}
