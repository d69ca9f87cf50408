import type { System } from './system.js'

/**
 * The text that the launcher prints when all services are ready: what is embedded, what to try, and the pages.
 *
 * @param ports by the name of the service; they replace `{user}` in the system's own text
 * @param embedded descriptions of the embedded broker and PostgreSQL
 * @param hint a further line
 */
export function readyMessage ({ services, ready }: System, ports: ReadonlyMap<string, number>, embedded: string[], hint?: string): string {
  const text = ready.replace(/\{([\w-]+)\}/g, (whole, name) => String(ports.get(name) ?? whole))
  const pages = services.map(({ name }) => `http://localhost:${ports.get(name)} (${name})`)
  return `
Ready.${embedded.length > 0 ? ` Embedded: ${embedded.join(', ')}.` : ''}${text && ` ${text}`}

Pages: ${pages.join(', ')}
${hint === undefined ? '' : `${hint}\n`}Ctrl-C ends everything.
`
}
