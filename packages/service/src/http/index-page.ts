import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { escapeHtml, htmlHeaders, htmlPage } from './html.js'

const pages = [
  { url: '/docs', about: 'the HTTP API (OpenAPI)' },
  { url: '/docs/events', about: 'the events (AsyncAPI)' },
  { url: '/metrics', about: 'metrics for Prometheus' },
  { url: '/health/live', about: 'does the process answer?' },
  { url: '/health/ready', about: 'may requests be sent here?' },
  { url: '/health/consuming', about: 'are the topics being read?' }
]

/**
 * GET / links to the other pages of a service: as HTML for a browser, as JSON for programs. With ADMIN_PORT each of the two
 * ports lists its own pages. A service that answers GET / itself keeps its answer, so register this after its routes.
 */
export const indexPage = fp(async (app: FastifyInstance, { title }: { title: string }) => {
  for (const server of new Set([app, app.admin])) {
    if (!['/', '/*', '*'].some(url => server.hasRoute({ method: 'GET', url }))) addIndex(server, title)
  }
}, { name: 'index-page', dependencies: ['admin'] })

function addIndex (server: FastifyInstance, title: string): void {
  server.get('/', { logLevel: 'warn', schema: { hide: true } }, async (request, reply) => {
    const served = pages.filter(({ url }) => server.hasRoute({ method: 'GET', url }))
    reply.header('vary', 'accept')
    if (request.headers.accept?.includes('text/html') !== true) return { title, pages: served }
    reply.headers(htmlHeaders)
    return htmlPage(title, `<h1>${escapeHtml(title)}</h1>
<dl>
${served.map(({ url, about }) => `<dt><a href="${url}">${url}</a><dd>${about}`).join('\n')}
</dl>`)
  })
}
