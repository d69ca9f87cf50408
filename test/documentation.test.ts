import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { anchorsOf, blocksOf, manual, readText as read, root, withoutBlocks } from './fixtures/pages.js'
import { selectors } from './fixtures/promql.js'

const readme = read('README.md')
const sources = ['packages/kafka/src', 'packages/service/src', 'microservices/user/src', 'microservices/profile/src']
  .flatMap(folder => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => read(`${folder}/${name}`)))
  .join('\n')

/** Of metrics. */
const names = [...new Set([...sources.matchAll(/name: '([a-z]+(?:_[a-z]+)+)'/g)].map(([, name]) => String(name)))]

const pages = [...manual, 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'packages/kafka/README.md', 'packages/kafka/native/README.md']

/** Paths of a page's links, without anchors. */
const linksOf = (page: string, text = withoutBlocks(read(page))) =>
  [...text.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, path]) => String(path)).filter(path => !path.startsWith('http')).map(path => join(root, page, '..', path))

describe('the README', () => {
  test('has at most 130 lines, and is read in three minutes: at most 900 words without blocks', () => {
    expect(readme.split('\n').length - 1).toBeLessThanOrEqual(130)
    const words = withoutBlocks(readme).replaceAll(/\]\([^)]*\)/g, ']').match(/[\w'’-]*[A-Za-z][\w'’./-]*/g) ?? []
    expect(words.length).toBeLessThanOrEqual(900)
  })

  test('names every folder of the repository that is read, and every system of examples/', () => {
    const map = readme.slice(readme.indexOf('## Map'), readme.indexOf('## Reading order'))
    const listed = [...map.matchAll(/`([\w/.-]+)\/`/g)].map(([, path]) => String(path))
    const folders = (parent: string) => existsSync(join(root, parent))
      ? readdirSync(join(root, parent), { withFileTypes: true }).filter(entry => entry.isDirectory()).map(({ name }) => join(parent, name))
      : []
    const top = folders('').filter(name => !/^(\.|node_modules$|docs$|dist$|coverage$)/.test(name))
    const expected = [...top, ...folders('examples')].filter(path => !['packages', 'microservices', 'examples'].includes(path))
    expect(expected.filter(path => !listed.includes(path))).toEqual([])
    expect(listed.filter(path => !path.startsWith('examples/') && !existsSync(join(root, path)))).toEqual([])
  })

  test('links to every page of docs/', () => {
    expect(manual.filter(page => page !== 'README.md' && !readme.includes(`](${page})`))).toEqual([])
  })

  test('has a reading path of at most 600 lines of source', () => {
    const order = readme.slice(readme.indexOf('## Reading order'), readme.indexOf('5. Tests whose names'))
    const sources = linksOf('README.md', order)
    expect(sources.length).toBeGreaterThan(8)
    expect(sources.map(path => readFileSync(path, 'utf8').split('\n').length - 1).reduce((sum, lines) => sum + lines)).toBeLessThanOrEqual(600)
  })
})

test.each(manual.filter(page => page !== 'README.md'))('%s leads back to all pages', page => {
  expect(read(page).split('\n')[2]).toBe('[← All pages](../README.md#documentation)')
})

test.each(pages)('%s links to files and folders that are there', page => {
  expect(linksOf(page).filter(path => !existsSync(path))).toEqual([])
})

interface Alert { alert: string, expr: string, labels: { severity: string }, annotations: Record<'summary' | 'description' | 'runbook_url', string> }
const alerts: Alert[] = parse(read('observability/alerts.yml')).groups.flatMap(({ rules }: { rules: Alert[] }) => rules)

test.each([...pages, 'observability/alerts.yml'])('%s links to headings that are there', page => {
  const inText = [...read(page).matchAll(/\]\(([^)#:]*)#([\w-]+)\)/g)].map(([, path = '', anchor = '']) => [path && join(page, '..', path), anchor] as const)
  const inAlerts = page.endsWith('.yml') ? alerts.map(({ annotations }) => annotations.runbook_url.split('#') as [string, string]) : []
  expect([...inText, ...inAlerts].filter(([path, anchor]) => !anchorsOf(read(path || page)).includes(anchor))).toEqual([])
})

test('a page that a source, a manifest or a test names is there', () => {
  const folders = ['packages', 'microservices', 'shared-topics', 'deploy', 'observability', 'test', 'bench', 'scripts', '.github', '.ci']
  const files = folders.flatMap(folder => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(name => `${folder}/${name}`))
    .filter(path => /\.(ts|js|ya?ml|sql|env|md)$|\/run$/.test(path) && !/node_modules|\/dist\/|documentation\.test\.ts$/.test(path))
  const named = [...files, '.env.example', 'docker-compose.yml', 'Dockerfile', 'eslint.config.js'].flatMap(path => [...read(path).matchAll(/\bdocs\/[\w-]+\.md/g)].map(([page]) => `${path}: ${page}`))
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter(line => !existsSync(join(root, line.split(': ')[1] ?? '')))).toEqual([])
})

describe('docs/guarantees.md', () => {
  const rows = read('docs/guarantees.md').split('\n').filter(line => line.startsWith('| ') && !/^\| (promise|---) /.test(line)).map(line => line.split(' | '))

  test.each(rows.map(row => [String(row[0]).slice(2), row] as const))('%s It names its mechanism, and a test that there is', (_promise, row) => {
    expect(row).toHaveLength(3)
    expect(row[1]).toMatch(/\.(ts|md)\)/)
    const tests = [...String(row[2]).matchAll(/\]\(\.\.\/([^)]+)\): "(.+?)"/g)]
    expect(tests.length).toBeGreaterThan(0)
    for (const [, file = '', name = ''] of tests) expect(read(file).replaceAll("\\'", "'"), file).toContain(name)
  })
})

describe('docs/operations.md', () => {
  const page = read('docs/operations.md')
  const sections = page.slice(page.indexOf('\n## Broker and topics')).split('\n### ').slice(1).map(text => text.split('\n## ')[0] ?? '')
  const parts = ['Requests and data', 'You see', 'Do', 'Tests']

  /** Whether a text stands in the sources, or each of the parts that a service puts together. */
  const isWritten = (text: string) => [[text], text.replace(/, trying again$/, '').split(': ')].some(parts => parts.every(part => new RegExp(`['\`]${part}`).test(sources)))

  test('has a heading for each failure', () => {
    expect(sections.length).toBeGreaterThan(30)
  })

  test.each(sections.map(text => [text.split('\n')[0], text] as const))('%s: what it says is to be seen is in the sources, and the tests it points to are there', (_title, text) => {
    const items = [...text.matchAll(/^- \*\*(.+?)\*\*: ([^]+?)(?=\n- \*\*|\n*$)/gm)]
    expect(items.map(([, name]) => name)).toEqual(parts)
    expect(items[3]?.[2]).toMatch(/\]\(\.\.\/.+\.ts\)/)
    for (const [, quoted = ''] of String(items[1]?.[2]).replaceAll(/\n +/g, ' ').matchAll(/`([^`]+)`/g)) {
      // Readiness is put together from what a service knows, a metric's labels too; a command is none of the services'.
      if (quoted.startsWith('"') || quoted.startsWith('npm run')) continue
      const outage = /^(.*): away, trying again$/.exec(quoted)?.[1]
      const metric = /^[a-z]+(_[a-z]+)+/.exec(quoted)?.[0]
      if (outage !== undefined) expect(sources).toMatch(new RegExp(`new DependencyStatus\\(.*'${outage}'\\)`))
      else if (metric !== undefined) expect(/^(process|nodejs)_/.test(metric) || names.includes(metric), metric).toBe(true) // those come from prom-client
      else expect(isWritten(quoted.replace(/ user_register\[\d\]@\d+$/, '')), quoted).toBe(true)
    }
  })

  test('leads to each failure and each task from its first table', () => {
    const [contents = ''] = page.split('\n## ')
    const anchors = [...withoutBlocks(page).matchAll(/^### (.+)$/gm)].map(([heading]) => anchorsOf(heading)[0])
    expect(anchors.filter(anchor => !contents.includes(`(#${anchor})`))).toEqual([])
  })
})

describe('docs/observability.md', () => {
  const page = read('docs/observability.md')

  test('names every metric of the services that has a name of its own, and no other', () => {
    expect(names.length).toBeGreaterThan(10)
    const table = page.split('\n').filter(line => line.startsWith('| '))
    const named = table.flatMap(line => [...String(line.split(' | ')[0]).matchAll(/`([a-z]+(?:_[a-z]+)+)/g)].map(([, name]) => String(name)))
    expect(named.filter(name => !/^(process|nodejs)_/.test(name)).sort()).toEqual(names.sort())
  })

  test.each(alerts.map(alert => [alert.alert, alert] as const))('knows the metrics that the alert %s asks for, or `up`, and the alert says what it means', (_name, { expr, labels, annotations }) => {
    const { metrics } = selectors(expr)
    expect(metrics.length).toBeGreaterThan(0)
    expect(metrics.filter(name => name !== 'up' && !names.includes(name))).toEqual([])
    expect(['critical', 'warning']).toContain(labels.severity)
    expect(Object.keys(annotations).sort()).toEqual(['description', 'runbook_url', 'summary'])
  })

  test('gives each alert the heading that it links to, and each has a test that names it', () => {
    expect(alerts.length).toBeGreaterThan(5)
    const rows = [...page.matchAll(/^\| (\w+) \|.*\| (critical|warning) \| \[[^\]]+\]\(([^)]+)\) \|$/gm)].map(([, ...cells]) => cells)
    expect(rows).toEqual(alerts.map(({ alert, labels, annotations }) => [alert, labels.severity, annotations.runbook_url.replace(/^docs\//, '')]))
    const tried = [...read('observability/alerts.test.yml').matchAll(/alertname(?:=|: )"?(\w+)/g)].map(([, name]) => name)
    expect(new Set(tried)).toEqual(new Set(alerts.map(({ alert }) => alert)))
  })
})

describe.each(manual)('the blocks of %s', page => {
  const text = read(page)
  const blocks = blocksOf(text)

  test('are fenced and name their language', () => {
    expect(withoutBlocks(text).split('\n').filter(line => /^ {4}\S/.test(line))).toEqual([])
    expect(blocks.filter(({ language }) => !/^(sh|text|json|log|jsonc|ts|js|sql|yaml|ini|mermaid)$/.test(language))).toEqual([])
  })

  test('have commands that can be copied, without a prompt', () => {
    expect(blocks.filter(({ language, text }) => language === 'sh' && /^[$#>] /m.test(text))).toEqual([])
  })

  test('have output behind the commands that print it', () => {
    expect(blocks.filter(({ language, line, heading }) => ['text', 'json', 'log'].includes(language) &&
      !blocks.some(other => other.language === 'sh' && other.heading === heading && other.line < line)).map(({ line }) => `line ${line}`)).toEqual([])
  })
})
