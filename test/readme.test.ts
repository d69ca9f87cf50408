import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const readme = read('README.md')
const sources = ['packages/kafka/src', 'packages/service/src', 'microservices/user/src', 'microservices/profile/src']
  .flatMap(folder => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => read(`${folder}/${name}`)))
  .join('\n')

/** Of metrics. */
const names = [...new Set([...sources.matchAll(/name: '([a-z]+(?:_[a-z]+)+)'/g)].map(([, name]) => String(name)))]

const rows = read('docs/failures.md').split('\n').filter(line => line.startsWith('| ')).slice(2).map(line => line.split(' | ').map(cell => cell.replace(/^\| | \|$/g, '')))

test('docs/failures.md has a table of what goes wrong', () => {
  expect(rows.length).toBeGreaterThan(15)
})

/** Whether a text stands in the sources, or each of the parts that a service puts together. */
const isWritten = (text: string) => [[text], text.replace(/, trying again$/, '').split(': ')].some(parts => parts.every(part => new RegExp(`['\`]${part}`).test(sources)))

test.each(rows.map(row => [row[0], row] as const))('docs/failures.md, when %s: what it says is to be seen is in the sources, and the tests it points to are there', (_what, row) => {
  expect(row).toHaveLength(4)
  const [, , seen = '', todo = ''] = row
  const files = [...todo.matchAll(/\]\(([^)]+)\)/g)].map(([, path]) => String(path))
  expect(files.length).toBeGreaterThan(0)
  for (const file of files) expect(read(`docs/${file}`).length).toBeGreaterThan(0)

  for (const [, quoted = ''] of seen.matchAll(/`([^`]+)`/g)) {
    // Readiness is put together from what a service knows, a metric's labels too; a command is none of the services'.
    if (quoted.startsWith('"') || quoted.startsWith('npm run')) continue
    const outage = /^(.*): away, trying again$/.exec(quoted)?.[1]
    const metric = /^[a-z]+(_[a-z]+)+/.exec(quoted)?.[0]
    if (outage !== undefined) expect(sources).toMatch(new RegExp(`new DependencyStatus\\(.*'${outage}'\\)`))
    else if (metric !== undefined) expect(/^(process|nodejs)_/.test(metric) || names.includes(metric), metric).toBe(true) // those come from prom-client
    else expect(isWritten(quoted.replace(/ user_register\[\d\]@\d+$/, '')), quoted).toBe(true)
  }
})

test('docs/metrics.md names every metric of the services that has a name of its own, and no other', () => {
  expect(names.length).toBeGreaterThan(10)
  const table = read('docs/metrics.md').split('\n').filter(line => line.startsWith('| '))
  const named = table.flatMap(line => [...String(line.split(' | ')[0]).matchAll(/`([a-z]+(?:_[a-z]+)+)/g)].map(([, name]) => String(name)))
  expect(named.filter(name => !/^(process|nodejs)_/.test(name)).sort()).toEqual(names.sort())
})

const pages = ['README.md', 'packages/kafka/README.md', 'packages/kafka/native/README.md', ...readdirSync(join(root, 'docs')).map(name => `docs/${name}`)]
const linksOf = (page: string, text = read(page)) =>
  [...text.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, path]) => String(path)).filter(path => !path.startsWith('http')).map(path => join(root, page, '..', path))

test.each(pages)('%s links to files and folders that are there', page => {
  expect(linksOf(page).filter(path => !existsSync(path))).toEqual([])
})

const anchorsOf = (page: string) => [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(/[^\w -]/g, '').replaceAll(' ', '-'))

test.each(pages)('%s links to headings that are there', page => {
  const links = [...read(page).matchAll(/\]\(([^)#:]*)#([\w-]+)\)/g)].map(([, path = '', anchor = '']) => [path && join(page, '..', path), anchor] as const)
  expect(links.filter(([path, anchor]) => !anchorsOf(path || page).includes(anchor))).toEqual([])
})

test('the sources on the reading path have at most 600 lines', () => {
  const order = readme.slice(readme.indexOf('## Reading order'), readme.indexOf('5. Tests whose names'))
  const sources = linksOf('README.md', order)
  expect(sources.length).toBeGreaterThan(8)
  expect(sources.map(path => readFileSync(path, 'utf8').split('\n').length - 1).reduce((sum, lines) => sum + lines)).toBeLessThanOrEqual(600)
})
