import { buildService, type Dependency } from '@pair/service'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { settingsOf } from '../../../test/fixtures/settings.js'

/** A service without topics, which needs no broker. */
async function built (declare: (dependency: (name: string) => Dependency) => void) {
  const settings = settingsOf({ KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: 'postgres://x@127.0.0.1:1/x', LOG_LEVEL: 'info' })
  const lines: Array<{ msg: string }> = []
  const log = new PassThrough().on('data', line => lines.push(JSON.parse(String(line))))
  const app = await buildService({ name: 'mailer-service', folder: '/nowhere', port: 3999, hasDatabase: false },
    async app => declare(name => app.dependency(name)), settings, error => { throw error }, log)
  onTestFinished(() => app.close())
  await app.ready()
  return { app, lines }
}

test('a declared dependency makes the service unready while it is away, and checks names it', async () => {
  let mailServer: Dependency | undefined
  const { app, lines } = await built(dependency => { mailServer = dependency('mail server') })
  const ready = async () => {
    const { statusCode, body } = await app.inject('/health/ready')
    return [statusCode, JSON.parse(body)]
  }
  expect(await ready()).toEqual([200, { status: 'ok', checks: { kafka: 'up', 'mail server': 'up' } }])
  mailServer?.failed(new Error('refused'), { code: 535 })
  mailServer?.failed(new Error('refused'), { code: 535 })
  expect(await ready()).toEqual([503, { status: 'unavailable', checks: { kafka: 'up', 'mail server': 'away' } }])
  expect((await app.inject('/health/live')).statusCode).toBe(200)
  expect((await app.inject('/metrics')).body).toContain('health_check_status{check="ready"} 0')
  mailServer?.recovered()
  expect(await ready()).toEqual([200, expect.anything()])
  expect(lines.filter(({ msg }) => msg.startsWith('the mail server'))).toMatchObject([{ level: 40, msg: 'the mail server: away, trying again', code: 535, err: { message: 'refused' } }, { level: 30, msg: 'the mail server: back', failures: 2 }])
})

test.each(['database', 'kafka', 'mail server'])('a dependency cannot take the name %s a second time', async name => {
  await expect(built(dependency => {
    dependency('mail server')
    dependency(name)
  })).rejects.toThrow(`two dependencies with the name ${name}`)
})
