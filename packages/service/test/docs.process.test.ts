import { chromium, type Browser } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { findBrowser } from '../../../test/fixtures/browser.js'
import { startService, type Service } from '../../../test/fixtures/services.js'

const executablePath = findBrowser()
const why = executablePath === undefined ? ' (skipped: there is no chromium on the PATH and no CHROMIUM_PATH)' : ''

describe.skipIf(executablePath === undefined)(`in a browser${why}`, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: String(executablePath),
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
    })
    return async () => { await browser.close() }
  })

  /** What a page says, what went wrong in it, and where it was loaded from. */
  async function open (url: string, heading: string) {
    const page = await browser.newPage()
    const faults: string[] = []
    const hosts = new Set<string>()
    page.on('console', message => { if (['error', 'warning'].includes(message.type())) faults.push(message.text()) })
    page.on('pageerror', error => { faults.push(error.message) })
    page.on('request', request => { if (!request.url().startsWith('data:')) hosts.add(new URL(request.url()).origin) })
    page.on('response', response => { if (response.status() >= 400) faults.push(`${response.status()} ${response.url()}`) })
    const answer = await page.goto(url)
    expect(answer?.headers()).toMatchObject({ 'content-security-policy': expect.stringContaining("default-src 'none'"), 'x-content-type-options': 'nosniff' })
    await page.getByRole('heading', { name: heading }).first().waitFor()
    return { page, faults, hosts }
  }

  describe.each([
    ['user', 'User service', ['POST/user/register', 'GET/user/{id}', 'GET/health/live', 'GET/health/ready'], ['send user_register']],
    ['profile', 'Profile service', ['GET/profile/{userId}', 'GET/health/live', 'GET/health/ready', 'GET/health/consuming'], ['receive user_register', 'send user_register.dlq']]
  ] as const)('the %s service shows', (name, heading, calls, events) => {
    let service: Service
    beforeAll(async () => {
      // Its documents need neither.
      service = await startService(name, { KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: 'postgres://user@127.0.0.1:1/none' })
      return async () => {
        service.kill('SIGKILL')
        await service.ended
      }
    })

    test('its calls, and the way to its events', async () => {
      const { page, faults, hosts } = await open(`${service.url}/docs`, heading)
      await page.locator('.opblock-summary').first().waitFor()
      const found = await page.locator('.opblock-summary-method, .opblock-summary-path').allInnerTexts()
      const spoken = found.join('').replace(/[\s\u200b]/g, '')
      for (const call of calls) expect(spoken).toContain(call)
      expect(await page.getByRole('link', { name: 'Events' }).getAttribute('href')).toBe(`${service.url}/docs/events`)
      expect({ faults, hosts: [...hosts] }).toEqual({ faults: [], hosts: [service.url] })
    })

    test('its events', async () => {
      const { page, faults, hosts } = await open(`${service.url}/docs/events`, heading)
      expect(await page.getByRole('heading', { level: 2 }).allInnerTexts()).toEqual(events)
      expect(await page.locator('body').innerText()).not.toMatch(/undefined|\[object/)
      expect({ faults, hosts: [...hosts] }).toEqual({ faults: [], hosts: [service.url] })
    })
  })
})
