import type { DeadLetter, Unrecognised } from './dead-letter.js'
import type { State } from './state.js'

/** Which letters are meant. Of several values of one option one must match; all options must. */
export interface Filter {
  reason: string[] | undefined
  group: string[] | undefined
  /** Whole keys: their text, or their bytes as 0x and hexadecimal digits. */
  key: string[] | undefined
  /** Parts of the error's text, in upper or lower case. */
  error: string[] | undefined
  state: State[] | undefined
  /** When the dead letter was written, in ms since 1970: from `since` on, before `until`. */
  since: number | undefined
  until: number | undefined
}

/** Returns the option that a record does not match; undefined if it matches all. */
export type Mismatch = (item: DeadLetter | Unrecognised, state: State) => keyof Filter | undefined

/** @param nameOf the broker's name of a group: a group is known by both names, because the list shows that one */
export function mismatchOf (filter: Filter, nameOf: (name: string) => string): Mismatch {
  const groups = (filter.group ?? []).flatMap(group => [group, nameOf(group)])
  const keys = (filter.key ?? []).flatMap(bytesOf)
  const errors = (filter.error ?? []).map(text => text.toLowerCase())
  const { since = -Infinity, until = Infinity } = filter
  const tests: Record<keyof Filter, (item: DeadLetter | Unrecognised, state: State) => boolean> = {
    reason: item => item.isLetter && filter.reason?.includes(item.reason) === true,
    group: item => item.isLetter && item.group !== null && groups.includes(item.group),
    key: ({ record: { key } }) => key !== null && keys.some(bytes => bytes.equals(key)),
    error: item => item.isLetter && errors.some(text => item.error.toLowerCase().includes(text)),
    state: (_item, state) => filter.state?.includes(state) === true,
    since: ({ record: { timestamp } }) => timestamp >= Math.max(since, 0), // -1 is no time
    until: ({ record: { timestamp } }) => timestamp >= 0 && timestamp < until
  }
  const given = (Object.keys(tests) as Array<keyof Filter>).filter(option => filter[option] !== undefined)
  return (item, state) => given.find(option => !tests[option](item, state))
}

function bytesOf (key: string): Buffer[] {
  const hex = /^0x((?:[\da-f]{2})+)$/i.exec(key)?.[1]
  return hex === undefined ? [Buffer.from(key)] : [Buffer.from(key), Buffer.from(hex, 'hex')]
}
