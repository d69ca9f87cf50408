import type { Random } from './seed.js'

/** What has a meaning to some parser, or is none. */
const snippets = [
  '\0', '{', '}', '[', ']', '"', '\\', ',', ':', '\r\n', '\r\n\r\n', '\t', ' ', '0', '-', '1e999', 'null', '\\u0000', '\\ud800', '/*', '%', '__proto__', 'ſ', 'K', 'а', '😀', '\u202e', '\ufeff'
].map(text => Buffer.from(text)).concat([[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]].map(bytes => Buffer.from(bytes)))

export const anyBytes = (random: Random, length: readonly [number, number]) =>
  Buffer.from(Array.from({ length: random.within(length) }, () => random.within([0, 255])))

/** The same bytes with a few changes; not always different ones. */
export function mutate (random: Random, bytes: Buffer): Buffer {
  for (let edits = random.within([1, 4]); edits > 0; edits--) {
    const [from, to] = [random.within([0, bytes.length]), random.within([0, bytes.length])].sort((one, other) => one - other) as [number, number]
    const [before, between, after] = [bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to)]
    bytes = Buffer.concat(random.pick([
      () => [before], // cut off
      () => [before, after], // cut out
      () => [before, between, between, after],
      () => [before, random.pick(snippets), between, after],
      () => [before, anyBytes(random, [1, 4]), bytes.subarray(from + 1)],
      () => [before, Buffer.from(between).reverse(), after]
    ])())
  }
  return bytes
}
