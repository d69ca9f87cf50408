import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { eventually, newUser, profileOf, register, registered } from './fixtures/services.js'
import { put, startPair, useBroker } from './fixtures/harness.js'
import { selectors } from './fixtures/promql.js'

interface Panel { title: string, type: string, datasource?: { uid: string }, targets?: Array<{ expr: string, legendFormat: string, datasource: { uid: string } }> }

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const dashboard: { panels: Panel[] } = JSON.parse(read('observability/dashboard.json'))
const compose = parse(read('docker-compose.yml'), { merge: true }).services
const graphs = dashboard.panels.filter(({ type }) => type !== 'row')
const rules: Array<{ alert: string, expr: string }> = parse(read('observability/alerts.yml')).groups.flatMap(({ rules }: { rules: unknown[] }) => rules)
const queries = [
  ...graphs.flatMap(({ title, targets = [] }) => targets.map(({ expr, legendFormat }) => ({ title, expr, legendFormat }))),
  ...rules.map(({ alert, expr }) => ({ title: alert, expr, legendFormat: '' }))
]

/** Its values are Prometheus's own. */
const scraped = ['up']
const byScrape = ['job', 'instance']

/** What a query and its legend ask for. */
function asked (expr: string, legend: string) {
  const { metrics, labels, values } = selectors(expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '1h'))
  return { metrics, labels: [...[...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => String(label)), ...labels], values }
}

/** Each metric that a service serves, with the values of its labels. */
function served (text: string) {
  const metrics = new Map<string, Map<string, Set<string>>>()
  for (const [, name = '', labels = ''] of text.matchAll(/^([a-z]\w*)(?:\{(.*)\})? /gm)) {
    const known = metrics.get(name) ?? new Map<string, Set<string>>()
    metrics.set(name, known)
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) known.set(label, (known.get(label) ?? new Set()).add(value))
  }
  return metrics
}

useBroker()

describe('the dashboard', () => {
  test('asks, as the alerts do, only for metrics, labels and values of labels that the services serve', async () => {
    const { user, profile } = await startPair()
    const { body } = await registered(user)
    expect((await register(user, { ...newUser(), email: 'nonsense' })).status).toBe(400)
    await profileOf(profile, body.user.id)
    await put({ value: 'not an event' })
    // Lag and what else librdkafka tells comes once a second.
    const metrics = await eventually(async () => {
      const texts = await Promise.all([user, profile].map(async ({ url }) => await (await fetch(`${url}/metrics`)).text()))
      const metrics = served(texts.join('\n'))
      for (const name of ['kafka_consumer_group_lag', 'kafka_producer_queue_messages', 'dead_letters_total']) expect([...metrics.keys()]).toContain(name)
      return metrics
    })

    expect(queries.length).toBeGreaterThan(20)
    for (const { title, expr, legendFormat } of queries) {
      const { metrics: names, labels, values } = asked(expr, legendFormat)
      expect(names.length, title).toBeGreaterThan(0)
      const known = names.filter(name => !scraped.includes(name)).map(name => {
        expect([...metrics.keys()], title).toContain(name)
        return metrics.get(name)
      })
      for (const label of labels) {
        if (byScrape.includes(label)) continue
        expect(known.some(series => series?.has(label)), `${title}: ${label}`).toBe(true)
      }
      for (const { label, value } of values.filter(({ label }) => !byScrape.includes(label))) expect(known.some(series => series?.get(label)?.has(value)), `${title}: ${label}="${value}"`).toBe(true)
    }
  })

  test('is given the data source that it asks for, and the files that Compose mounts are there', () => {
    const { datasources: [source] } = parse(read('observability/datasource.yml'))
    for (const { datasource, targets = [], title } of graphs) {
      for (const { uid } of [datasource, ...targets.map(target => target.datasource)].map(source => ({ uid: source?.uid }))) expect(uid, title).toBe(source.uid)
    }
    expect(source.url).toBe('http://prometheus:9090')
    const mounts: string[] = [...compose.grafana.volumes, ...compose.prometheus.volumes].filter(mount => mount.startsWith('./'))
    for (const mount of mounts) expect(read(mount.split(':')[0]?.slice(2) ?? '').length, mount).toBeGreaterThan(0)
    for (const file of parse(read('observability/prometheus.yml')).rule_files) expect(mounts).toContain(`./observability/${file}:/etc/prometheus/${file}:ro`)
    const { providers: [provider] } = parse(read('observability/dashboards.yml'))
    expect(mounts.map(mount => mount.split(':')[1])).toContain(`${provider.options.path}/services.json`)
    expect(compose.grafana.environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).toBe(`${provider.options.path}/services.json`)
  })

  test('gets its data from the services at the ports that Compose gives them', () => {
    const { scrape_configs: jobs } = parse(read('observability/prometheus.yml'))
    const targets = jobs.map(({ dns_sd_configs: [{ names: [name], port }] }: { dns_sd_configs: [{ names: [string], port: number }] }) => [name, port])
    expect(targets).toEqual(['user', 'profile'].map(name => [name, JSON.parse(read(`microservices/${name}/package.json`)).service.port]))
  })

  test('a query that is none, or for what nobody serves, would be seen', () => {
    expect(() => asked('sum(rate(x_total[1m])', '')).toThrow('no PromQL')
    expect(asked('sum by (a) (rate(x_total{b="c"}[$__rate_interval]))', '{{d}}')).toEqual({ metrics: ['x_total'], labels: ['d', 'a', 'b'], values: [{ label: 'b', value: 'c' }] })
  })
})
