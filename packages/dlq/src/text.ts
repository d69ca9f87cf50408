import { isUtf8 } from 'node:buffer'

/** What a terminal would act on instead of showing it: control characters, and those that turn the direction of text. */
// eslint-disable-next-line no-control-regex
const unshowable = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Text of strangers, in one line, that does nothing to a terminal. */
export function printable (text: string): string {
  return text.replace(unshowable, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** JSON in one line for every reader, as `printable`: JSON itself leaves some line ends and control characters as they are. */
export function oneLineJson (value: unknown): string {
  return printable(JSON.stringify(value))
}

/** Bytes for people: the text that they are (its line breaks kept), else a hex dump. */
export function describeBytes (bytes: Buffer): { kind: 'text' | 'binary', text: string } {
  if (isUtf8(bytes)) {
    const text = bytes.toString()
    if (text.replace(/\r?\n|\t/g, '').search(unshowable) === -1) return { kind: 'text', text }
  }
  return { kind: 'binary', text: hexDump(bytes) }
}

/** Bytes for machines, without a loss. */
export function toJson (bytes: Buffer | null): { text: string } | { base64: string } | null {
  if (bytes === null) return null
  return isUtf8(bytes) ? { text: bytes.toString() } : { base64: bytes.toString('base64') }
}

/** A key in a few characters. */
export function shortKey (key: Buffer | null, length = 12): string {
  if (key === null) return '-'
  const start = key.subarray(0, 4 * length)
  const text = isUtf8(key) ? printable(start.toString()) : `0x${start.toString('hex')}`
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}

function hexDump (bytes: Buffer): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16)
    const hex = row.toString('hex').replace(/..(?=.)/g, '$& ').padEnd(47)
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex}  |${row.toString('latin1').replace(/[^ -~]/g, '.')}|`)
  }
  return lines.join('\n')
}

/** `topic[partition]@offset`, as the services' readiness names a message. */
export function place ({ topic, partition, offset }: { topic: string, partition: number, offset: number }): string {
  return `${topic}[${partition}]@${offset}`
}

/** A time of Kafka, or `-` where it has none. */
export function timeOf (ms: number): string | null {
  const date = new Date(ms)
  return ms < 0 || Number.isNaN(date.getTime()) ? null : date.toISOString()
}
