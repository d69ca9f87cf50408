import { chromium, type Browser } from 'playwright-core'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { findBrowser } from './fixtures/browser.js'
import { newDatabase } from './fixtures/new-database.js'
import { checks, eventually, registered, startService, type Service } from './fixtures/services.js'

const executablePath = findBrowser()
const why = executablePath === undefined ? ' (skipped: there is no chromium on the PATH and no CHROMIUM_PATH)' : ''

let user: Service
let profile: Service
beforeAll(async () => {
  const database = await newDatabase()
  // The pages need no broker, and those of the profile service no database.
  user = await startService('user', { KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: database.url })
  profile = await startService('profile', { KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: 'postgres://user@127.0.0.1:1/none' })
  await eventually(async () => expect(await checks(user)).toMatchObject({ status: 200 }))
  return async () => {
    for (const service of [user, profile]) service.kill('SIGKILL')
    await Promise.all([user.ended, profile.ended])
    await database.close()
  }
})

interface Operation { operationId?: string, summary?: string, responses: Record<string, { description: string, content?: object }>, requestBody?: { content: Record<string, { example: unknown }> } }

/** The operations of a service by method and path. */
async function operationsOf ({ url }: Service): Promise<Record<string, Operation>> {
  const { paths } = await (await fetch(`${url}/docs/json`)).json() as { paths: Record<string, Record<string, Operation>> }
  return Object.fromEntries(Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => [`${method} ${path}`, operation])))
}

test('each operation of both services has an id of its own, a summary, and a description of each answer', async () => {
  for (const [service, ids] of [[user, ['registerUser', 'getUser', 'getLive', 'getReady']], [profile, ['getProfile', 'getLive', 'getReady', 'getConsuming']]] as const) {
    const operations = Object.values(await operationsOf(service))
    expect(operations.map(({ operationId }) => operationId)).toEqual(ids)
    for (const { summary, responses } of operations) {
      expect(summary).toMatch(/^\w.*\w.$/)
      for (const { description } of Object.values(responses)) expect(description).not.toMatch(/^(Default Response)?$/)
    }
  }
})

test('the answers of a registration are all documented, those that are not 201 as problems with an example', async () => {
  const { responses } = (await operationsOf(user))['post /user/register'] ?? { responses: {} }
  expect(Object.keys(responses)).toEqual(['201', '400', '408', '409', '413', '415', '503', 'default'])
  for (const [status, { content }] of Object.entries(responses).filter(([status]) => status !== '201')) {
    expect(content).toMatchObject({ 'application/problem+json': { example: { status: status === 'default' ? 500 : Number(status), type: expect.stringMatching(/^urn:problem:/) } } })
  }
})

test('the example of a registration can be sent as it is, each time that the document is read', async () => {
  for (let time = 1; time <= 2; time++) {
    const operations = await operationsOf(user)
    const example = operations['post /user/register']?.requestBody?.content['application/json']?.example as { email: string, username: string }
    expect(await registered(user, example)).toMatchObject({ status: 201, body: { user: example } })
  }
})

describe.skipIf(executablePath === undefined)(`in a browser${why}`, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: String(executablePath),
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
    })
    return async () => { await browser.close() }
  })

  type Look = { width: number, colorScheme: 'light' | 'dark' }

  /** Opens a page, and collects its errors and the origins that it was loaded from. */
  async function open (url: string, heading: string, { width, colorScheme }: Look = { width: 1280, colorScheme: 'light' }) {
    const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme, isMobile: width < 500 })
    page.setDefaultTimeout(120_000)
    onTestFinished(() => page.close())
    const faults: string[] = []
    const origins = new Set<string>()
    page.on('console', message => { if (['error', 'warning'].includes(message.type())) faults.push(message.text()) })
    page.on('pageerror', error => { faults.push(error.message) })
    page.on('request', request => { if (!request.url().startsWith('data:')) origins.add(new URL(request.url()).origin) })
    page.on('response', response => { if (response.status() >= 400) faults.push(`${response.status()} ${response.url()}`) })
    const answer = await page.goto(url)
    expect(answer?.headers()).toMatchObject({ 'content-security-policy': expect.stringContaining("default-src 'none'"), 'x-content-type-options': 'nosniff' })
    await page.getByRole('heading', { name: heading }).first().waitFor()
    return { page, found: () => ({ faults, origins: [...origins] }) }
  }

  const services = { user: () => user, profile: () => profile }
  const looks = [390, 1280].flatMap(width => (['light', 'dark'] as const).map(colorScheme => ({ width, colorScheme })))

  test.each([
    ['user', 'User service', ['POST/user/register', 'GET/user/{id}', 'GET/health/live', 'GET/health/ready']],
    ['profile', 'Profile service', ['GET/profile/{userId}', 'GET/health/live', 'GET/health/ready', 'GET/health/consuming']]
  ] as const)('/docs of the %s service has a title of its own, its routes, and the way to its events', async (name, heading, routes) => {
    const { url } = services[name]()
    const { page, found } = await open(`${url}/docs`, heading)
    expect(await page.title()).toBe(`${heading}: HTTP API`)
    await page.locator('.opblock-summary').first().waitFor()
    const texts = await page.locator('.opblock-summary-method, .opblock-summary-path').allInnerTexts()
    const shown = texts.join('').replace(/[\s\u200b]/g, '')
    for (const route of routes) expect(shown).toContain(route)
    expect(await page.getByRole('link', { name: 'Events' }).getAttribute('href')).toBe(`${url}/docs/events`)
    expect(found()).toEqual({ faults: [], origins: [url] })
  })

  test.each([
    ['user', 'User service', ['send user_register'], 'Published by this service.'],
    ['profile', 'Profile service', ['receive user_register', 'send user_register.dlq'], 'Read by the consumer group profile-service.']
  ] as const)('/docs/events of the %s service shows its events with a description of each member', async (name, heading, events, who) => {
    const { url } = services[name]()
    const { page, found } = await open(`${url}/docs/events`, heading)
    expect(await page.getByRole('heading', { level: 2 }).allInnerTexts()).toEqual(events)
    expect(await page.getByText(who).count()).toBe(1)
    const members = await page.locator('dd').allInnerTexts()
    expect(members.length).toBeGreaterThan(10)
    for (const member of members) expect(member).toMatch(/^[A-Z].*\. /)
    expect(await page.locator('body').innerText()).not.toMatch(/undefined|\[object|NaN/)
    expect(found()).toEqual({ faults: [], origins: [url] })
  })

  test.each(looks)('no page is wider than its window, and each has the colours of its scheme ($width pixels, $colorScheme)', async look => {
    for (const path of ['/', '/docs', '/docs/events']) {
      const { page, found } = await open(profile.url + path, 'Profile service', look)
      if (path === '/docs') {
        await page.getByRole('button', { name: /profile/ }).first().click()
        await page.getByRole('button', { name: 'Try it out' }).waitFor()
      }
      expect([path, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([path, look.width])
      // The document's own colour of text, on the background of the window.
      const lightness = await page.getByRole('heading', { name: 'Profile service' }).first().evaluate(heading => Number(/\d+/.exec(getComputedStyle(heading).color)?.[0]))
      expect(lightness > 128 ? 'dark' : 'light').toBe(look.colorScheme)
      expect(found().faults).toEqual([])
    }
  })

  test('with keys alone the example of a registration is sent as it is, twice in a row, and what somebody typed stays', async () => {
    const { page } = await open(`${user.url}/docs`, 'User service', { width: 390, colorScheme: 'light' })
    const press = async (button: string | RegExp) => {
      await page.getByRole('button', { name: button }).first().focus()
      await page.keyboard.press('Enter')
    }
    /** A busy machine may answer 503, which stores nothing. */
    const execute = async () => await eventually(async () => {
      const answered = page.waitForResponse(response => response.url().endsWith('/user/register'))
      await press('Execute')
      const status = (await answered).status()
      expect(status).not.toBe(503)
      return status
    })
    const body = page.locator('textarea')
    await press(/user\/register/)
    await press('Try it out')
    const first = await body.inputValue()
    expect(await execute()).toBe(201)
    await eventually(async () => expect(await body.inputValue()).not.toBe(first))
    const second = await body.inputValue()
    expect(await execute()).toBe(201)
    await eventually(async () => expect(await body.inputValue()).not.toBe(second))

    const typed = first.replaceAll('user-', 'typed-')
    await body.fill(typed)
    expect(await execute()).toBe(201)
    expect(await execute()).toBe(409)
    expect(await body.inputValue()).toBe(typed)
  })

  test('GET / leads to each other page', async () => {
    const { page, found } = await open(profile.url, 'Profile service')
    const links = await page.getByRole('link').all()
    const targets = await Promise.all(links.map(link => link.getAttribute('href')))
    expect(targets).toEqual(['/docs', '/docs/events', '/metrics', '/health/live', '/health/ready', '/health/consuming'])
    expect(found()).toEqual({ faults: [], origins: [profile.url] })
  })
})
