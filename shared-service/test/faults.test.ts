import { describe, expect, test } from 'vitest'
import { faultOf } from '../dist/database/faults.js'
import { describeError, serializeError } from '../dist/logging/errors.js'

/** An error as the database sends it. */
const postgres = (code: string) => Object.assign(new Error('no "secret@example.com"'), {
  severity: 'ERROR', code, detail: 'Key (email)=(secret@example.com)', where: 'secret', constraint: 'users_email_key', parameters: ['secret']
})

describe('whose fault a failure is', () => {
  test.each([['22P02'], ['22021'], ['23505'], ['23502']])('SQLSTATE %s is the message\'s', code => {
    expect(faultOf(postgres(code))).toBe('message')
  })

  test.each([['08006'], ['40001'], ['40P01'], ['53300'], ['55P03'], ['57P01'], ['57014'], ['58030'], ['28P01'], ['3D000']])('SQLSTATE %s is the database\'s', code => {
    expect(faultOf(postgres(code))).toBe('dependency')
  })

  test.each([['42P01'], ['0A000'], ['P0001'], ['XX000']])('SQLSTATE %s is unknown', code => {
    expect(faultOf(postgres(code))).toBe('unknown')
  })

  test.each([
    [Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })],
    [Object.assign(new Error('read'), { code: 'ECONNRESET' })],
    [new Error('Connection terminated unexpectedly')],
    [new Error('timeout exceeded when trying to connect')],
    [new Error('timeout expired')],
    [new Error('Query read timeout')],
    [new Error('Failed query: select', { cause: postgres('57P01') })]
  ])('a connection that broke is the database\'s: %s', error => {
    expect(faultOf(error)).toBe('dependency')
  })

  test('a mistake in the program is unknown', () => {
    expect(faultOf(new TypeError('x is not a function'))).toBe('unknown')
    expect(faultOf('thrown text')).toBe('unknown')
  })
})

describe('what is said of an error', () => {
  test.each([
    ['PostgreSQL\'s', postgres('22P02')],
    ['a unique violation', postgres('23505')],
    ['drizzle\'s', new Error('Failed query: select $1\nparams: secret@example.com', { cause: postgres('22P02') })],
    ['the JSON parser\'s', new SyntaxError('Unexpected token s in "secret"')],
    ['a thrown text', 'secret']
  ])('quotes no value: %s', (_what, error) => {
    expect(describeError(error)).not.toContain('secret')
    expect(JSON.stringify(serializeError(error))).not.toContain('secret')
  })

  test('names code and constraint, keeps the cause, the frames of the stack, and words that are safe', () => {
    const error = new Error('profile not stored', { cause: postgres('23505') })
    expect(serializeError(error)).toMatchObject({
      message: 'profile not stored', stack: expect.stringContaining('    at '), cause: { code: '23505', constraint: 'users_email_key' }
    })
    expect(describeError(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }))).toBe('ECONNREFUSED')
  })
})
