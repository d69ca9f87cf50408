import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const read = (path: string) => JSON.parse(readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8'))

interface Package { dev?: boolean, engines?: { node?: string } }

/** Whether a range, as npm has them, admits this Node (major and minor version). */
function admits (range: string, [major, minor]: [number, number]): boolean {
  return range.split('||').some(alternative => {
    const comparators = [...alternative.matchAll(/(>=|<=|>|<|\^|~|=)?\s*v?(\d+|\*)(?:\.(\d+))?[.\dx]*/g)]
    return comparators.every(([, operator = '=', first, second]) => {
      if (first === '*') return true
      const difference = (major - Number(first)) || (second === undefined ? 0 : minor - Number(second))
      if (operator === '>=') return difference >= 0
      if (operator === '<=') return difference <= 0
      if (operator === '>') return difference > 0
      if (operator === '<') return difference < 0
      return major === Number(first) && (operator === '^' ? difference >= 0 : difference === 0)
    })
  })
}

const packages = Object.entries(read('package-lock.json').packages as Record<string, Package>).filter(([path]) => path.startsWith('node_modules/'))

/** The packages of which npm would warn on this Node. */
const refused = (node: [number, number], ofDevelopment: boolean) => packages
  .filter(([, { dev = false, engines }]) => (ofDevelopment || !dev) && !admits(engines?.node ?? '*', node))
  .map(([path, { engines }]) => `${path}: ${engines?.node}`)

const oldest = [...String(read('package.json').engines.node).matchAll(/(\d+)(?:\.(\d+))?[.\d]*/g)].map(([, major, minor = 0]): [number, number] => [Number(major), Number(minor)])

test.each(oldest)('npm warns of no package on Node %i.%i, the oldest of its line that is promised', (...node) => {
  expect(packages.length).toBeGreaterThan(400)
  expect(refused(node, true)).toEqual([])
})

test('promised are the lines of Node 20 and 22, and 24 or newer', () => {
  expect(oldest.map(([major]) => major)).toEqual([20, 22, 24])
})

test('every package of production supports the oldest Node that the client of Kafka promises', () => {
  const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(read('packages/kafka/package.json').engines.node) ?? []
  expect(packages.filter(([, { dev }]) => !dev).length).toBeGreaterThan(100)
  expect(refused([Number(major), Number(minor)], false)).toEqual([])
})

test.each([
  ['>=22', false], ['>=20', true], ['>= 20.20', false], ['>=20.18.1', true], ['18 || 20 || >=22', true], ['18 || >=22', false], ['^18.18.0 || ^20.9.0 || >=21.1.0', true], ['^20.20.0', false], ['20.x', true], ['>=14 <20', false], ['>=0.10.0', true], ['*', true]
])('a package for Node %s would be seen as one that supports 20.19 or not: %s', (range, expected) => {
  expect(admits(range, [20, 19])).toBe(expected)
})
