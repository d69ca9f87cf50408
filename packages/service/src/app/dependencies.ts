import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { DependencyStatus } from '../logging/dependency-status.js'

/**
 * Something other than the database and Kafka that a service needs, such as a mail server. Who has reported a failure goes on trying
 * until it reports success: another instance may have done the work meanwhile.
 */
export interface Dependency {
  /** Whether the last report was a failure. */
  readonly isAway: boolean
  /**
   * Reports that it could not be used. Each outage is logged, at most once in 10 s.
   *
   * @param details added to the line; no secret and nothing personal
   */
  failed: (error: unknown, details?: object) => void
  /** Reports that it was used. */
  recovered: () => void
}

declare module 'fastify' {
  interface FastifyInstance {
    /** By name. */
    dependencies: Map<string, Dependency>
    /**
     * Declares something that the service needs. It stands in `checks` of the health answers as `up` or `away`; while it is away,
     * /health/ready and /health/consuming answer 503. What it does not report, such as its first use, counts as success.
     *
     * @param name as in "mail server": in `checks`, and in the log as "the mail server: away, trying again"
     * @throws Error if the service has declared it, or `database` or `kafka`, which are checked anyway
     */
    dependency: (name: string) => Dependency
  }
}

export const dependencies = fp(async (app: FastifyInstance) => {
  app.decorate('dependencies', new Map<string, Dependency>())
  app.decorate('dependency', name => {
    if (name === 'database' || name === 'kafka' || app.dependencies.has(name)) throw new Error(`two dependencies with the name ${name}`)
    const dependency = new DependencyStatus(app.log, `the ${name}`)
    app.dependencies.set(name, dependency)
    return dependency
  })
}, { name: 'dependencies' })
