import { describe, expect, test } from 'vitest'
import { connectionOf } from '../dist/database/connection.js'

describe('DATABASE_URL', () => {
  test.each([
    ['postgres://user:right@host:5433/app', { user: 'user', password: 'right', host: 'host', port: 5433, database: 'app', ssl: false }],
    ['postgresql://host/app', { host: 'host', database: 'app' }],
    ['postgres://us%40er:p%40ss%2Fw%3Ard%25%3F%23%C3%A9@host/app', { user: 'us@er', password: 'p@ss/w:rd%?#é', database: 'app' }],
    ['postgres:///app?host=/var/run/postgresql', { host: '/var/run/postgresql', database: 'app', ssl: false }],
    ['postgres://user@/app?host=/var/run/postgresql&sslmode=verify-full', { user: 'user', host: '/var/run/postgresql', ssl: false }],
    ['postgres://%2Fvar%2Frun%2Fpostgresql/app', { host: '/var/run/postgresql', database: 'app' }],
    ['postgres://[::1]:5433/app', { host: '::1', port: 5433 }],
    ['postgres://host?dbname=app&user=me&password=p%26q', { host: 'host', database: 'app', user: 'me', password: 'p&q' }],
    ['postgres://host/app?application_name=a/b&options=-c%20search_path%3Dapp', { application_name: 'a/b', options: '-c search_path=app' }],
    ['postgres://host/app?sslmode=disable', { ssl: false }],
    ['postgres://host/app?sslmode=require', { ssl: { rejectUnauthorized: false } }],
    ['postgres://host/app?ssl=true', { ssl: { rejectUnauthorized: false } }],
    ['postgres://host/app?sslmode=verify-full', { ssl: {} }],
    ['postgres://host/app?sslmode=verify-full&sslrootcert=system', { ssl: {} }]
  ])('%s', (url, expected) => {
    expect(connectionOf(url)).toMatchObject(expected)
  })

  test.each([
    ['mysql://secret@host/app', 'it must begin with postgres://'],
    ['postgres://secret@host', 'the name of the database is missing'],
    ['postgres://secret@host:99999/app', 'it is not a URL'],
    ['postgres://secret@one:5432,two:5432/app', 'it is not a URL'],
    ['postgres://secret@/app?host=one,two', 'only one host is supported'],
    ['postgres://secret@host/app?sslmode=prefer', 'sslmode must be one of disable, require, verify-ca, verify-full'],
    ['postgres://secret@host/app?sslmode=on', 'sslmode must be one of disable, require, verify-ca, verify-full'],
    ['postgres://secret@host/app?sslmode=verify-ca', 'sslmode=verify-ca needs sslrootcert'],
    ['postgres://secret@host/app?sslmode=require&sslrootcert=system', 'sslrootcert=system needs sslmode=verify-full'],
    ['postgres://secret@host/app?sslrootcert=/etc/ssl/ca.pem', 'a certificate needs sslmode'],
    ['postgres://secret@host/app?sslmode=verify-full&sslrootcert=/secret/ca.pem', 'a file of sslrootcert, sslcert or sslkey cannot be read: ENOENT'],
    ['postgres://secret@host/app?sslmode=require&sslkey=package.json', 'sslkey cannot be used']
  ])('%s is refused, in words that repeat none of it', (url, reason) => {
    expect(() => connectionOf(url)).toThrow(reason)
    expect(() => connectionOf(url)).not.toThrow('secret')
  })
})
