import { Counter, Gauge, type Registry } from 'prom-client'

type Labels = Record<string, string>
export type Values = Array<[labels: Labels, value: number]>

/**
 * Adds a metric whose values are kept elsewhere and read when somebody asks, so that counting costs no more than `+= 1`.
 * What is not among the values is not shown.
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
    if (about.labelNames.length === 0) metric.remove() // what has no labels would be 0 now
    for (const [labels, value] of values) metric.inc(labels, value)
  }
}
