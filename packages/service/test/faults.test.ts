import { describe, expect, test } from 'vitest'
import { faultOf } from '../dist/database/faults.js'
import { describeError, serializeError } from '../dist/logging/errors.js'

/** An error as the database sends it. */
const postgres = (code: string) => Object.assign(new Error('no "secret@example.com"'), {
  severity: 'ERROR', code, detail: 'Key (email)=(secret@example.com)', where: 'secret', constraint: 'users_email_key', parameters: ['secret']
})

describe('whose fault a failure is', () => {
  test.each([['22P02'], ['22021'], ['23505'], ['23514']])('SQLSTATE %s is the message\'s', code => {
    expect(faultOf(postgres(code))).toBe('permanent')
  })

  test.each([['08006'], ['40001'], ['40P01'], ['53300'], ['55P03'], ['57P01'], ['57014'], ['58030'], ['28P01'], ['3D000']])('SQLSTATE %s is the database\'s', code => {
    expect(faultOf(postgres(code))).toBe('transient')
  })

  test.each([
    ['42P01', 'a table that is missing'], ['42703', 'a column that is missing'], ['23502', 'a new column that may not be null'], ['42501', 'a right that is missing'], ['3F000', 'a schema that is missing'], ['0A000', 'a cached plan'],
    ['42P05', 'a prepared statement that is there already'], ['26000', 'a prepared statement that is gone'], ['25P02', 'a transaction that has failed'], ['25006', 'a standby'], ['XX002', 'a broken index']
  ])('SQLSTATE %s, %s, says nothing about a message', code => {
    expect(faultOf(postgres(code))).toBe('transient')
    expect(faultOf(new Error('Failed query: select', { cause: postgres(code) }))).toBe('transient')
  })

  test('what ends the session is not about the statement, whatever its SQLSTATE', () => {
    expect(faultOf(Object.assign(postgres('23505'), { severity: 'FATAL' }))).toBe('transient')
  })

  test.each([['P0001'], ['54000'], ['44000']])('SQLSTATE %s is unknown', code => {
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
    expect(faultOf(error)).toBe('transient')
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
