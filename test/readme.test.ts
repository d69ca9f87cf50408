import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const readme = read('README.md')
const sources = ['shared-kafka/src', 'shared-service/src', 'microservices/user/src', 'microservices/profile/src']
  .flatMap(folder => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => read(`${folder}/${name}`)))
  .join('\n')

/** Of metrics. */
const names = [...new Set([...sources.matchAll(/name: '([a-z]+(?:_[a-z]+)+)'/g)].map(([, name]) => String(name)))]

const section = readme.slice(readme.indexOf('## When things go wrong'), readme.indexOf('## Compose'))
const rows = section.split('\n').filter(line => line.startsWith('| ')).slice(2).map(line => line.split(' | ').map(cell => cell.replace(/^\| | \|$/g, '')))

test('README has a table of what goes wrong', () => {
  expect(rows.length).toBeGreaterThan(15)
})

test.each(rows.map(row => [row[0], row] as const))('README, when %s: what it says is to be seen is in the sources, and the tests it points to are there', (_what, row) => {
  expect(row).toHaveLength(4)
  const [, , seen = '', todo = ''] = row
  const files = [...todo.matchAll(/\]\(([^)]+)\)/g)].map(([, path]) => String(path))
  expect(files.length).toBeGreaterThan(0)
  for (const file of files) expect(read(file).length).toBeGreaterThan(0)

  for (const [, quoted = ''] of seen.matchAll(/`([^`]+)`/g)) {
    // Readiness is put together from what a service knows, a metric's labels too.
    if (quoted.startsWith('"')) continue
    const outage = /^(.*): away, trying again$/.exec(quoted)?.[1]
    const metric = /^[a-z]+(_[a-z]+)+/.exec(quoted)?.[0]
    if (outage !== undefined) expect(sources).toMatch(new RegExp(`new Outage\\(.*'${outage}'\\)`))
    else if (metric !== undefined) expect(names).toContain(metric)
    else expect(sources, quoted).toMatch(new RegExp(`['\`]${quoted.replace(/ user_register\[\d\]@\d+$/, '')}`))
  }
})

test('README names every metric of the services that has a name of its own, and no other', () => {
  expect(names.length).toBeGreaterThan(10)
  const table = readme.slice(readme.indexOf('## Metrics'), readme.indexOf('## Traces')).split('\n').filter(line => line.startsWith('| '))
  const named = table.flatMap(line => [...String(line.split(' | ')[0]).matchAll(/`([a-z]+(?:_[a-z]+)+)/g)].map(([, name]) => String(name)))
  expect(named.filter(name => !/^(process|nodejs)_/.test(name)).sort()).toEqual(names.sort())
})
