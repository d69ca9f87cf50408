import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import { METHODS } from 'node:http'
import { ProblemError, type App } from '@pair/service'

/**
 * The gateway's own work for all its routes: security headers, and a limit for each address. Registered before the routes, by
 * `app.ts` itself, so that it reaches them; the pages for operators (/health, /metrics, /docs) have neither.
 */
export async function protect (app: App): Promise<void> {
  await app.register(helmet)
  await app.register(rateLimit, {
    max: app.settings.RATE_LIMIT_PER_MINUTE,
    timeWindow: 60_000,
    // In this process's memory: two gateways allow twice as much. A shared limit needs a shared store (the plugin's is Redis).
    errorResponseBuilder: () => new ProblemError(429) // the plugin adds Retry-After
  })
  // What no route answers is a route too, so that its 404 has the headers, and counts: any path, with any method that Node parses,
  // such as PROPFIND. Fastify's own handler of such requests belongs to the app around this one, which has neither.
  for (const method of METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
  // Not `/`, which is the page that leads to those for operators.
  for (const url of ['/:name', '/:name/*']) app.all(url, { schema: { hide: true } }, async () => { throw new ProblemError(404) })
}
