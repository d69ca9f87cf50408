import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const folders = (parent: string) => readdirSync(join(root, parent)).map(name => `${parent}/${name}`).filter(folder => existsSync(join(root, folder, 'src')))

/** What each file of a package imports of that package, types included. */
function importsOf (source: string): Map<string, string[]> {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
  return new Map(files.map(file => {
    const text = readFileSync(join(source, file), 'utf8')
    const imported = [...text.matchAll(/(?:from|import|import\()\s?'(\.[^']+)\.js'/g)].map(([, path]) => join(dirname(file), `${path}.ts`))
    return [file, imported.filter(path => files.includes(path))]
  }))
}

/** The ways round that a graph has, each as its steps. */
function circles (graph: Map<string, string[]>): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const follow = (from: string, path: string[]) => {
    if (path.includes(from)) found.push([...path.slice(path.indexOf(from)), from].join(' > '))
    if (path.includes(from) || done.has(from)) return
    for (const to of graph.get(from) ?? []) follow(to, [...path, from])
    done.add(from)
  }
  for (const from of graph.keys()) follow(from, [])
  return found
}

/** Folders and the folders that their files import from. The package's own folder puts its rooms together, so it has none below it. */
function rooms (graph: Map<string, string[]>): Map<string, string[]> {
  const between = new Map<string, string[]>()
  for (const [file, imported] of graph) {
    const others = imported.map(dirname).filter(room => room !== dirname(file) && room !== '.')
    if (dirname(file) !== '.') between.set(dirname(file), [...new Set([...between.get(dirname(file)) ?? [], ...others])])
  }
  return between
}

describe.each(['shared-topics', ...folders('packages'), ...folders('microservices')])('%s', folder => {
  const graph = importsOf(join(root, folder, 'src'))

  test('has no circle of files, types included', () => {
    expect(circles(graph)).toEqual([])
  })

  test('has rooms that import in one direction', () => {
    expect(circles(rooms(graph))).toEqual([])
  })
})

test('a circle is found, of whatever length', () => {
  expect(circles(new Map([['a', ['b']], ['b', ['c']], ['c', ['b']]]))).toEqual(['b > c > b'])
})
