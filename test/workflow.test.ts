import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))
const read = (name: string) => readFileSync(path(name), 'utf8')
const script = read('.ci/run')

interface Step { uses?: string, run?: string, with?: Record<string, unknown> }
interface Combination { node: number, part: string }
interface Job { strategy: { matrix: { node: number[], part: string[], include: Combination[] } }, steps: Step[] }
const text = read('.github/workflows/ci.yml')
const workflow: { permissions: unknown, jobs: Record<string, Job> } = parse(text)
const jobs = Object.values(workflow.jobs)
const steps = jobs.flatMap(job => job.steps)

/** What stands behind `name='` or `name="` in .ci/run, up to the quote or the first substitution. */
const words = (name: string) => (new RegExp(`^${name}=["']([^"'$]+)`, 'm').exec(script)?.[1] ?? '').trim().split(' ')

describe('.github/workflows/ci.yml', () => {
  test('runs every part of .ci/run, and no other', () => {
    expect(steps.filter(({ run }) => run?.includes('.ci/run')).map(({ run }) => run)).toEqual(['.ci/run ${{ matrix.part }}']) // eslint-disable-line no-template-curly-in-string
    const named = jobs.flatMap(({ strategy: { matrix } }) => [...matrix.part, ...matrix.include.map(({ part }) => part)]).flatMap(part => part.split(' '))
    expect(named.sort()).toEqual(words('parts').sort())
    // Each of them is looked for where the script decides what to run.
    for (const part of named) expect(script).toMatch(new RegExp(`wants ${part}\\b`))
  })

  test('runs on each Node that package.json promises, the oldest of which .nvmrc names', () => {
    const promised = [...String(JSON.parse(read('package.json')).engines.node).matchAll(/[\^=](\d+)/g)].map(([, major]) => Number(major))
    for (const { strategy: { matrix } } of jobs) expect(matrix.node).toEqual(promised)
    expect(Number(read('.nvmrc'))).toBe(promised[0])
  })

  test('installs the Debian packages that .ci/run asks for', () => {
    const installed = steps.flatMap(({ run }) => run?.match(/apt-get install(?: -\S+)* (.*)/)?.[1]?.split(' ') ?? [])
    expect(installed).toEqual(words('packages'))
  })

  test('may only read, names no secret, and takes actions by their major version', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' })
    expect(text).not.toMatch(/secrets\b|GITHUB_TOKEN/)
    const actions = steps.flatMap(({ uses }) => uses ?? [])
    expect(actions.length).toBeGreaterThan(1)
    for (const action of actions) expect(action).toMatch(/^actions\/[a-z-]+@v\d+$/)
  })
})

test('.ci/run refuses a part that it does not have, names those that it has, and does nothing', () => {
  const { status, stdout, stderr } = spawnSync(path('.ci/run'), ['fast', 'slow'], { encoding: 'utf8', timeout: 60_000 })
  expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: '', stderr: `.ci/run: no part slow, but ${words('parts').join(' ')}\n` })
})

interface Update { 'package-ecosystem': string, directory?: string, directories?: string[], schedule: unknown, groups: unknown }
const { updates }: { updates: Update[] } = parse(read('.github/dependabot.yml'))

test.each(updates.map(update => [update['package-ecosystem'], update] as const))('.github/dependabot.yml looks weekly for %s, minor and patch versions together, where there are some', (ecosystem, { directory, directories = [String(directory)], schedule, groups }) => {
  expect(schedule).toEqual({ interval: 'weekly' })
  expect(groups).toEqual({ 'minor-and-patch': { 'update-types': ['minor', 'patch'] } })
  const file = { npm: 'package-lock.json', 'docker-compose': 'docker-compose.yml', 'github-actions': '.github/workflows/ci.yml' }[ecosystem]
  for (const folder of directories) expect(existsSync(path(`${folder.slice(1)}/${file}`))).toBe(true)
})

test('.github/dependabot.yml looks after packages, images and actions', () => {
  expect(updates.map(update => update['package-ecosystem'])).toEqual(['npm', 'docker-compose', 'github-actions'])
})
