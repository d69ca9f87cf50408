import { expect, test } from 'vitest'
import { readDeadLetter } from '../dist/dead-letter.js'
import { listJson, listRow } from '../dist/list.js'
import { showJson, showText } from '../dist/show.js'
import { oneLineJson } from '../dist/text.js'
import { failure, message, stored } from './cli.js'

const read = (record: Parameters<typeof readDeadLetter>[0]) => readDeadLetter(record, { topic: 'user_register' })

const letter = read(stored())
const discard = { by: 'anna', why: 'a test', time: '2026-11-22T08:00:00.000Z' }
const foreign = read({ ...stored(), headers: [{ who: Buffer.from('me') }] })

test('a row says where a letter is, why it is there, and where it came from', () => {
  expect(listRow(letter, { state: 'new' })).toBe('1:7       new        mailer           failed         5         -        user_register[2]@41     2026-11-21T02:45:26Z  key           the mail server said no')
  expect(listRow(letter, { state: 'replayed' })).toContain('1:7       replayed   mailer           failed ')
  expect(listRow(letter, { state: 'discarded', discard })).toMatch(/^1:7 {7}discarded {2}mailer .* the mail server said no \(discarded by anna: a test\)$/)
  expect(listRow(read(stored(message(), undefined, 'value')), { state: 'new' })).toContain('  value    ')
  expect(listRow(foreign, { state: 'foreign' })).toMatch(/^1:7 {7}foreign .* 2026-11-21T02:45:26Z {2}key {11}no dead letter: no header dlq\.reason$/)
})

test('the JSON of a row has the same, its key whole and in a form that loses nothing', () => {
  expect(listJson(letter, { state: 'new' })).toEqual({
    letter: '1:7',
    state: 'new',
    time: '2026-11-21T02:45:26.000Z',
    reason: 'failed',
    error: 'the mail server said no',
    attempts: 5,
    group: 'mailer',
    origin: { topic: 'user_register', partition: 2, offset: 41, time: '2026-11-21T02:45:25.631Z' },
    firstTime: '2026-11-21T02:45:25.631Z',
    cut: 'nothing',
    droppedHeaders: 0,
    key: { text: 'key' }
  })
  expect(listJson(read(stored(message({ key: Buffer.from([255]) }))), { state: 'new' })).toMatchObject({ key: { base64: '/w==' } })
  expect(listJson(letter, { state: 'discarded', discard })).toMatchObject({ state: 'discarded', discarded: discard })
  expect(listJson(foreign, { state: 'foreign' })).toEqual({ letter: '1:7', state: 'foreign', time: '2026-11-21T02:45:26.000Z', error: 'no header dlq.reason', key: { text: 'key' } })
})

test('a row is one line that does nothing to a terminal, whatever the key is', () => {
  const row = (key: Buffer | null) => listRow(read(stored(message({ key }))), { state: 'new' })
  expect(row(Buffer.from('\u001b[2Jgone\nnext'))).toContain('  \\u001b[2Jgo…  ')
  expect(row(Buffer.from([0, 255, 1]))).toContain('  0x00ff01  ')
  expect(row(Buffer.from('a'.repeat(1_000_000))).length).toBeLessThan(200)
  expect(row(null)).toContain('  -  ')
})

test.each(['\t', '\n', '\r\n', '\u0000', '\u001b[2J', '\u009b2J', '\u0085', '\u2028', '\u202e'])('a letter with %j in its key, its error, its headers and its discard is one line of text and of JSON', text => {
  const strange = `a${text}b`
  const item = read(stored(message({ key: Buffer.from(strange), headers: [{ [`h${text}`]: Buffer.from(strange) }] }), { ...failure, error: strange }))
  const status = { state: 'discarded', discard: { by: strange, why: strange, time: strange } } as const
  // eslint-disable-next-line no-control-regex
  const steering = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/
  expect(listRow(item, status)).not.toMatch(steering)
  for (const json of [listJson(item, status), showJson(item, status)]) {
    expect(oneLineJson(json)).not.toMatch(steering)
    expect(JSON.parse(oneLineJson(json))).toEqual(JSON.parse(JSON.stringify(json)))
  }
})

test('a row is coloured by its state without a change of its columns', () => {
  const paint = (colour: string, text: string) => `<${colour}>${text}</>`
  expect(listRow(letter, { state: 'new' }, { paint })).toBe(listRow(letter, { state: 'new' }).replace('new      ', '<yellow>new      </>'))
  expect(listRow(foreign, { state: 'foreign' }, { paint, letterWidth: 20 })).toMatch(/^1:7 {19}<red>foreign {2}<\/> {2}-/)
})

test('headers that no client could carry on are counted', () => {
  const letter = read(stored(message({ headers: [{ a: Buffer.from('1') }, { b: Buffer.from([255]) }, { c: Buffer.from('x\0') }] })))
  expect(letter).toMatchObject({ droppedHeaders: 2, headers: [{ a: Buffer.from('1') }] })
  expect(showText(letter, { state: 'new' }, 't')).toContain('\ncut       nothing; headers that are not text: 2 dropped\n')
})

test('a letter is shown with its headers and its text', () => {
  const text = showText(read(stored(message({ value: Buffer.from('{\n  "a": "ü"\n}') }))), { state: 'replayed' }, 'user_register.dlq')
  expect(text).toBe([
    'letter    1:7 of user_register.dlq, replayed',
    'time      2026-11-21T02:45:26.000Z',
    'reason    failed',
    'error     the mail server said no',
    'attempts  5',
    'group     mailer',
    'origin    user_register[2]@41, 2026-11-21T02:45:25.631Z',
    'cut       nothing',
    'key       3 bytes, text',
    '  key',
    'headers   1',
    '  content-type: text/plain',
    'value     15 bytes, text',
    '  {',
    '    "a": "ü"',
    '  }'
  ].join('\n'))
})

test('a discarded letter says who has discarded it, when and why, in one line each', () => {
  const text = showText(letter, { state: 'discarded', discard: { ...discard, by: 'anna\nbert', why: 'a test\u001b[2J' } }, 't.dlq')
  expect(text).toContain('letter    1:7 of t.dlq, discarded\nby        anna\\u000abert, 2026-11-22T08:00:00.000Z\nwhy       a test\\u001b[2J\ntime ')
})

test('a letter of a replay says when its message was first written', () => {
  const text = showText(read(stored(message({ headers: [{ 'dlq.first.timestamp': Buffer.from('1795000000000') }] }))), { state: 'new' }, 't.dlq')
  expect(text).toContain('\nfirst     2026-11-18T11:06:40.000Z: the origin is a replay\n')
})

test('bytes that are no text, or text that would steer the terminal, are shown as a hex dump', () => {
  const shown = (value: Buffer | null) => showText(read(stored(message({ value }))), { state: 'new' }, 't.dlq')
  expect(shown(Buffer.from([...Array(17).keys()]))).toContain([
    'value     17 bytes, binary',
    '  00000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  |................|',
    `  00000010  10${' '.repeat(45)}  |.|`
  ].join('\n'))
  for (const evil of ['\u001b]0;x\u0007', 'hidden\rshown', '\u202etxt.exe']) expect(shown(Buffer.from(evil))).toContain('bytes, binary')
  expect(shown(null)).toMatch(/value {5}null$/)
  expect(shown(Buffer.alloc(0))).toMatch(/value {5}0 bytes, text$/)
})

test('the JSON of a letter has every byte: text as text, anything else as base64', () => {
  expect(showJson(read(stored(message({ value: Buffer.from([0, 255]) }))), { state: 'new' })).toMatchObject({
    letter: '1:7', headers: [{ name: 'content-type', text: 'text/plain' }], value: { base64: 'AP8=' }
  })
  expect(showJson(foreign, { state: 'foreign' })).toMatchObject({ state: 'foreign', headers: [{ name: 'who', text: 'me' }], value: { text: 'value' } })
})

test('what is no dead letter is shown as that, with all of its headers', () => {
  expect(showText(foreign, { state: 'foreign' }, 't.dlq')).toMatch(/^record {4}1:7 of t\.dlq, no dead letter: no header dlq\.reason\n[^]*\n {2}who: me\n/)
})
