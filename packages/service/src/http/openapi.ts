import type { SwaggerTransform } from '@fastify/swagger'
import { problem, problemResponse, problemType } from './problem.js'

/**
 * Makes an example body for /docs. It is called each time the page is loaded and after each successful request, so that a
 * body whose values must be unique can be sent as it stands. It must be valid by the schema of the body.
 */
export type ExampleBody = () => unknown

declare module 'fastify' {
  interface FastifyContextConfig { exampleBody?: ExampleBody }
}

interface Answer { type?: string, description?: string, content?: Record<string, unknown> }

/** Description of the answers that /docs does not list one by one for each route. */
const anyOther = 'Any other problem: 400 for malformed HTTP, 408, 417, 431, or 500'

/** Adds to a route's schema, for /docs only, the answers that the framework may give, and the route's example body. */
export const documentRoute: SwaggerTransform = ({ schema = {}, url, route }) => {
  const own = (schema.response ?? { 200: { type: 'null', description: 'The answer' } }) as Record<string, Answer>
  const statuses = [
    ...schema.body || schema.querystring ? [400] : [],
    ...schema.params ? [404] : [],
    ...schema.body ? [408, 413, 415] : [],
    503
  ]
  const common = Object.fromEntries([...statuses, 'default'].map(status => [status, problemResponse]))
  const response = Object.fromEntries(Object.entries({ ...common, ...own }).map(([status, answer]) => [status, describeProblem(status, answer)]))
  return { url, schema: { ...schema, response, ...(route.config?.exampleBody && { [extension]: route.config.exampleBody }) } }
}

/** Adds to a problem an example of its status, and its title as the description if there is none. */
function describeProblem (status: string, answer: Answer): Answer {
  if (answer.content?.[problemType] === undefined) return answer
  const code = Number(status) || 500 // of "default", "4xx" and "5xx"
  const example = problem(code, code === 400 ? [{ field: 'name', message: 'is required' }] : undefined)
  const description = code === 500 ? anyOther : example.title
  return { description, ...answer, content: { [problemType]: { ...problemResponse.content[problemType], example } } }
}

/** Member of an operation that holds its `exampleBody` until the document is sent. */
const extension = 'x-example-body'

interface Operation { requestBody?: { content: Record<string, { example?: unknown }> }, [extension]?: () => unknown }

/** Puts new example bodies into an OpenAPI document. */
export function renewExamples (document: { paths?: Record<string, Record<string, Operation>> }): object {
  for (const operation of Object.values(document.paths ?? {}).flatMap(path => Object.values(path))) {
    const { [extension]: make, requestBody } = operation
    delete operation[extension]
    for (const media of Object.values(requestBody?.content ?? {})) if (make) media.example = make()
  }
  return document
}
