import { expect, test } from 'vitest'
import { readLetter } from '../dist/letter.js'
import { listJson, listRow } from '../dist/list.js'
import { showJson, showText } from '../dist/show.js'
import { message, stored } from './cli.js'

const read = (record: Parameters<typeof readLetter>[0]) => readLetter(record, 'user_register')

const letter = read(stored())
const foreign = read({ ...stored(), headers: [{ who: Buffer.from('me') }] })

test('a row says where a letter is, why it is there, and where it came from', () => {
  expect(listRow(letter, 'new')).toBe('1:7       new       mailer           failed         5         -        user_register[2]@41     2026-11-21T02:45:25Z  key           the mail server said no')
  expect(listRow(letter, 'replayed')).toContain('1:7       replayed  mailer           failed ')
  expect(listRow(read(stored(message(), undefined, 'value')), 'new')).toContain('  value    ')
  expect(listRow(foreign, 'foreign')).toMatch(/^1:7 {7}foreign .* no dead letter: no header dlq\.reason$/)
})

test('the JSON of a row has the same, its key whole and in a form that loses nothing', () => {
  expect(listJson(letter, 'new')).toEqual({
    letter: '1:7',
    state: 'new',
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
  expect(listJson(read(stored(message({ key: Buffer.from([255]) }))), 'new')).toMatchObject({ key: { base64: '/w==' } })
  expect(listJson(foreign, 'foreign')).toEqual({ letter: '1:7', state: 'foreign', error: 'no header dlq.reason', key: { text: 'key' } })
})

test('a row is one line that does nothing to a terminal, whatever the key is', () => {
  const row = (key: Buffer | null) => listRow(read(stored(message({ key }))), 'new')
  expect(row(Buffer.from('\u001b[2Jgone\nnext'))).toContain('  \\u001b[2Jgo…  ')
  expect(row(Buffer.from([0, 255, 1]))).toContain('  0x00ff01  ')
  expect(row(Buffer.from('a'.repeat(1_000_000))).length).toBeLessThan(200)
  expect(row(null)).toContain('  -  ')
})

test('headers that no client could carry on are counted', () => {
  const letter = read(stored(message({ headers: [{ a: Buffer.from('1') }, { b: Buffer.from([255]) }, { c: Buffer.from('x\0') }] })))
  expect(letter).toMatchObject({ droppedHeaders: 2, headers: [{ a: Buffer.from('1') }] })
  expect(showText(letter, 'new', 't')).toContain('\ncut       nothing; headers that are not text: 2 dropped\n')
})

test('a letter is shown with its headers and its text', () => {
  const text = showText(read(stored(message({ value: Buffer.from('{\n  "a": "ü"\n}') }))), 'replayed', 'user_register.dlq')
  expect(text).toBe([
    'letter    1:7 of user_register.dlq, replayed',
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

test('a letter of a replay says when its message was first written', () => {
  const text = showText(read(stored(message({ headers: [{ 'dlq.first.timestamp': Buffer.from('1795000000000') }] }))), 'new', 't.dlq')
  expect(text).toContain('\nfirst     2026-11-18T11:06:40.000Z: the origin is a replay\n')
})

test('bytes that are no text, or text that would steer the terminal, are shown as a hex dump', () => {
  const shown = (value: Buffer | null) => showText(read(stored(message({ value }))), 'new', 't.dlq')
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
  expect(showJson(read(stored(message({ value: Buffer.from([0, 255]) }))), 'new')).toMatchObject({
    letter: '1:7', headers: [{ name: 'content-type', text: 'text/plain' }], value: { base64: 'AP8=' }
  })
  expect(showJson(foreign, 'foreign')).toMatchObject({ state: 'foreign', headers: [{ name: 'who', text: 'me' }], value: { text: 'value' } })
})

test('what is no dead letter is shown as that, with all of its headers', () => {
  expect(showText(foreign, 'foreign', 't.dlq')).toMatch(/^record {4}1:7 of t\.dlq, no dead letter: no header dlq\.reason\n[^]*\n {2}who: me\n/)
})
