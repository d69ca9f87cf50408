import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

const links = [
  ['/docs', 'its calls (OpenAPI)'], ['/docs/events', 'its events (AsyncAPI)'], ['/metrics', 'metrics for Prometheus'],
  ['/health/live', 'whether the process answers'], ['/health/ready', 'whether requests may be sent here'], ['/health/consuming', 'whether its topics are worked on']
] as const

/** GET /: a page that leads to what else a service answers; only to those pages that are served at the same port. */
export const indexPage = fp(async (app: FastifyInstance, { title }: { title: string }) => {
  app.get('/', { logLevel: 'warn', schema: { hide: true } }, async (_request, reply) => {
    const served = links.filter(([url]) => app.hasRoute({ method: 'GET', url }))
    reply.type('text/html; charset=utf-8').header('x-content-type-options', 'nosniff').header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
    return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>body { font: 16px/1.5 sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }</style>
<h1>${title}</h1>
<ul>
${served.map(([url, what]) => `<li><a href="${url}">${url}</a>: ${what}`).join('\n')}
</ul>
</html>
`
  })
}, { name: 'index-page' })
