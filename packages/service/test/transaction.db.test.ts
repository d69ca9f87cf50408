import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { newDatabase } from '../../../test/fixtures/new-database.js'
import { connectionOf } from '../dist/database/connection.js'
import { faultOf } from '../dist/database/faults.js'
import { ServicePool } from '../dist/database/pool.js'
import { defer, TransactionClient } from '../dist/database/transaction.js'

let database: Awaited<ReturnType<typeof newDatabase>>
let pool: ServicePool
let other: pg.Client

beforeAll(async () => {
  database = await newDatabase()
  // One connection, so that each transaction meets what the one before has left there.
  pool = new ServicePool(connectionOf(database.url), 1)
  other = new pg.Client({ connectionString: database.url })
  other.on('error', () => {})
  await other.connect()
  await other.query('create table things (id integer primary key, note text)')
  return async () => { await Promise.all([pool.end(), other.end()]); await database.close() }
})
beforeEach(async () => { await other.query('truncate things') })
afterAll(() => vi.restoreAllMocks())

const insert = (id: unknown, note: string | null = null) => ({ name: 'insert-thing', text: 'insert into things values ($1, $2) returning id, note', values: [id, note] })
const stored = async () => (await other.query<{ id: number }>('select id from things order by id')).rows.map(({ id }) => id)
const state = (code: string) => expect.objectContaining({ code })

describe('a transaction', () => {
  test('asks the server twice: for its first statement, and for its commit with what is deferred', async () => {
    await pool.transaction(async db => await db.query(insert(1)))
    const syncs = vi.spyOn(pg.Connection.prototype, 'sync')
    await pool.transaction(async db => {
      await db.query(insert(2))
      await defer(db, insert(3), () => {})
    })
    expect(syncs).toHaveBeenCalledTimes(2)
    syncs.mockRestore()
    expect(await stored()).toEqual([1, 2, 3])
  })

  test('in which nothing is asked costs nothing, and one that only defers a single round trip', async () => {
    const syncs = vi.spyOn(pg.Connection.prototype, 'sync')
    expect(await pool.transaction(async () => 'done')).toBe('done')
    expect(syncs).not.toHaveBeenCalled()
    await pool.transaction(async db => await defer(db, insert(1), () => {}))
    expect(syncs).toHaveBeenCalledTimes(1)
    syncs.mockRestore()
    expect(await stored()).toEqual([1])
  })

  test('whose begin fails runs no statement', async () => {
    const client = await pool.connect()
    await client.query('begin; select 1/0').catch(() => {}) // in such a transaction a begin fails
    client.release()
    const answers = await pool.transaction(async db => await Promise.allSettled([db.query(insert(1)), db.query('insert into things values (2)'), db.query(insert(3))])).catch(error => error)
    expect(answers).toEqual(state('25P02'))
    expect(await stored()).toEqual([])
    await pool.transaction(async db => await db.query(insert(4)))
    expect(await stored()).toEqual([4])
  })

  test.each([
    ['its first statement', async (db: TransactionClient) => { await db.query(insert(1)) }],
    ['a later one', async (db: TransactionClient) => { await db.query('select 1'); await db.query(insert(1)) }],
    ['one of several at once', async (db: TransactionClient) => { await Promise.all([db.query(insert(2)), db.query(insert(1)), db.query(insert(3))]) }],
    ['what is deferred, at the commit', async (db: TransactionClient) => { await db.query(insert(2)); await defer(db, insert(1), () => {}) }],
    ['what is deferred, at the next statement', async (db: TransactionClient) => { await defer(db, insert(1), () => {}); await db.query(insert(2)) }],
    ['what is deferred before one that cannot be joined', async (db: TransactionClient) => { await defer(db, insert(1), () => {}); await db.query('insert into things values (2); insert into things values (3)') }],
    ['an error that the caller has caught', async (db: TransactionClient) => { await db.query(insert(2)); await db.query(insert(1)).catch(() => {}) }]
  ])('stores nothing when %s fails, and leaves a connection that works', async (_what, task) => {
    await other.query('insert into things values (1)')
    await expect(pool.transaction(async db => await task(db as TransactionClient))).rejects.toEqual(state('23505'))
    expect(await stored()).toEqual([1])
    await pool.transaction(async db => await db.query(insert(9)))
    expect(await stored()).toEqual([1, 9])
  })

  test('that goes on from a savepoint keeps what was deferred before it, and not what was deferred behind it', async () => {
    await pool.transaction(async db => {
      await defer(db, insert(1), () => {})
      await db.query('savepoint here')
      await defer(db, insert(2), () => {})
      await db.query('rollback to here')
      await defer(db, insert(3), () => {})
    })
    expect(await stored()).toEqual([1, 3])
  })

  test('whose server goes away in the middle is the database\'s fault', async () => {
    const ended = pool.transaction(async db => {
      await defer(db, { text: 'select pg_terminate_backend(pg_backend_pid())' }, () => {})
      await db.query(insert(1))
    })
    await expect(ended.catch(faultOf)).resolves.toBe('transient')
    expect(await stored()).toEqual([])
  })
})

describe('statements in one round trip', () => {
  test('answer as a query of its own does', async () => {
    const query = {
      text: `select $1::int as int, $2::bigint as big, $3::text as text, $4::bytea as bytes, $5::boolean as yes, $6::text as none,
        '{"a":[1]}'::jsonb as json, timestamptz '2026-01-02 03:04:05Z' as time, array[1, null] as list, 1.5::float8 as float, '' as empty`,
      values: [1, '9007199254740993', 'ä€🎉\n', Buffer.from([0, 255]), true, null]
    }
    const { fields, ...plain } = await pool.query(query)
    const { fields: joinedFields, ...joined } = await pool.transaction(async db => await db.query(query))
    const visible = (result: object) => JSON.parse(JSON.stringify(result, (key, value) => key.startsWith('_') ? undefined : value))
    expect(visible(joined)).toEqual(visible(plain))
    expect(joined.rows).toEqual(plain.rows)
    expect(joinedFields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual(fields.map(({ name, dataTypeID }) => [name, dataTypeID]))
  })

  test.each([
    ['rows as arrays', { text: 'select $1::int, $1::int', values: [1], rowMode: 'array' }, [[1, 1]]],
    ['a date', { text: 'select $1::timestamptz = \'2026-01-02T03:04:05Z\' as is', values: [new Date('2026-01-02T03:04:05Z')] }, [{ is: true }]],
    ['a list', { text: 'select $1::int[] as list', values: [[1, 2]] }, [{ list: [1, 2] }]],
    ['an object', { text: 'select $1::jsonb as json', values: [{ a: 1 }] }, [{ json: { a: 1 } }]],
    ['undefined', { text: 'select $1::text as none', values: [undefined] }, [{ none: null }]],
    ['no parameter', 'select 1 as one', [{ one: 1 }]]
  ])('are not made of what only a query can: %s', async (_what, query, rows) => {
    expect((await pool.transaction(async db => await db.query(query))).rows).toEqual(rows)
  })

  test('are prepared once on a connection, also where a first use has failed', async () => {
    const named = (values: unknown[]) => ({ name: 'divide', text: 'select $1::int / $2::int as of', values })
    await expect(pool.transaction(async db => await db.query(named([1, 0])))).rejects.toEqual(state('22012'))
    const parses = vi.spyOn(pg.Connection.prototype, 'parse')
    for (const values of [[4, 2], [6, 3]]) expect((await pool.transaction(async db => await db.query(named(values)))).rows).toEqual([{ of: 2 }])
    expect((await pool.query(named([8, 4]))).rows).toEqual([{ of: 2 }])
    expect(parses.mock.calls.filter(([{ name }]) => name === 'divide')).toHaveLength(1)
    parses.mockRestore()
  })

  test('fail with what reading a value throws, and the connection still answers', async () => {
    const int = pg.types.getTypeParser(pg.types.builtins.INT4)
    pg.types.setTypeParser(pg.types.builtins.INT4, () => { throw new Error('cannot be read') })
    await expect(pool.transaction(async db => await db.query(insert(1)))).rejects.toThrow('cannot be read')
    pg.types.setTypeParser(pg.types.builtins.INT4, int)
    expect(await stored()).toEqual([])
    await pool.transaction(async db => await db.query(insert(2)))
    expect(await stored()).toEqual([2])
  })

  test('are told of a server that is silent', async () => {
    const blocker = await other.query('begin; lock table things').then(() => other)
    await expect(pool.transaction(async db => await db.query(insert(1)))).rejects.toThrow(/statement timeout|read timeout/)
    await blocker.query('rollback')
    await pool.transaction(async db => await db.query(insert(2)))
    expect(await stored()).toEqual([2])
  })
})
