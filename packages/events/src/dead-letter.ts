import type { MessageHeaders } from './message.js'

/** Name of the dead-letter topic, for messages that cannot be processed. */
export function deadLetterTopic (name: string): string {
  return `${name}.dlq`
}

/**
 * Why a message was dead-lettered: it cannot be decoded or does not match its schema, the database or the handler refused it, all
 * attempts failed, or its handling killed the process.
 */
export const deadLetterReasons = ['not-decodable', 'not-valid', 'refused', 'failed', 'crashed'] as const
export type DeadLetterReason = typeof deadLetterReasons[number]

/** Kafka's limit in bytes for a group name, the longest name written into a header. */
const longestName = 32_767

/**
 * Text that every client and broker accepts as a header value: UTF-8, truncated to at most `maxBytes` between two characters.
 * NUL, which ends a text in C libraries, and half of a surrogate pair, which UTF-8 cannot encode, become U+FFFD.
 */
export function headerText (text: string, maxBytes = longestName): string {
  const bytes = Buffer.from(text.replaceAll('\0', '\ufffd')) // Buffer.from replaces halves of surrogate pairs
  let end = Math.min(maxBytes, bytes.length)
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1 // not a character boundary
  return bytes.toString('utf8', 0, end)
}

/** Header of a replay: the consumer groups that it is for, as a JSON array. Every other group commits it without handling it. */
export const replayGroupsHeader = 'dlq.replay.groups'

/** Whether a message is for this group: false only for a replay that names other groups. An unreadable header is ignored. */
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

/** Header of a replay and its dead letters: when the original message was written, in ms since 1970, by the broker's clock. */
export const firstTimestampHeader = 'dlq.first.timestamp'

/**
 * When a message, or the original of a replay, was first written, in ms since 1970; -1 if unknown. A writer can use the header
 * to make a message appear older, but not younger.
 */
export function firstTimestamp ({ headers, timestamp }: { headers: MessageHeaders, timestamp: number }): number {
  const header = headers.findLast(header => firstTimestampHeader in header)?.[firstTimestampHeader]
  const said = header === undefined ? '' : Buffer.from(header).toString()
  if (!/^\d{1,15}$/.test(said)) return timestamp
  return timestamp < 0 ? Number(said) : Math.min(Number(said), timestamp)
}
