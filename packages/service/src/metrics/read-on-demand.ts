import { Counter, Gauge, type Registry } from 'prom-client'

type Labels = Record<string, string>
export type Values = Array<[labels: Labels, value: number]>

/**
 * Adds a metric whose values are kept elsewhere and read when /metrics is requested, so that counting costs only `+= 1`. Label
 * sets that `read` does not return have no sample.
 */
export function readOnDemand (registry: Registry, Kind: typeof Counter | typeof Gauge, { read, ...about }: {
  name: string
  help: string
  labelNames: string[]
  read: () => Values | Promise<Values>
}): void {
  const metric: Counter | Gauge = new Kind({ ...about, registers: [registry], collect })

  async function collect () {
    const values = await read()
    metric.reset()
    if (about.labelNames.length === 0) metric.remove() // reset() has set a metric without labels to 0
    for (const [labels, value] of values) metric.inc(labels, value)
  }
}
