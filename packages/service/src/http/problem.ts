import { Type, type Static } from 'typebox'

/**
 * The body of every answer from 400 on.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export const Problem = Type.Object({
  type: Type.String({ description: 'Stable name of the kind of problem' }),
  title: Type.String(),
  status: Type.Integer(),
  errors: Type.Optional(Type.Array(Type.Object({
    field: Type.String({ description: 'Path of the member at fault, or "body" for the whole' }),
    message: Type.String({ description: 'What is wrong with it; the value is never repeated' })
  })))
}, { title: 'Problem' })

export type ProblemBody = Static<typeof Problem>
export type FieldError = NonNullable<ProblemBody['errors']>[number]

/** All kinds of problems there are, by their status. */
const catalogue: Record<number, readonly [type: string, title: string]> = {
  400: ['urn:problem:bad-request', 'The request is malformed'],
  404: ['urn:problem:not-found', 'There is nothing here'],
  408: ['urn:problem:request-timeout', 'The request took too long to arrive'],
  409: ['urn:problem:conflict', 'This is taken already'],
  413: ['urn:problem:body-too-large', 'The body is too large'],
  415: ['urn:problem:unsupported-media-type', 'The body must be application/json'],
  417: ['urn:problem:expectation-failed', 'Only "Expect: 100-continue" can be met'],
  431: ['urn:problem:headers-too-large', 'The headers are too large'],
  500: ['urn:problem:internal', 'Something went wrong on our side'],
  502: ['urn:problem:refused-upstream', 'A service that was asked has refused'],
  503: ['urn:problem:unavailable', 'Not available at the moment, try again later'],
  504: ['urn:problem:timeout-upstream', 'A service that was asked did not answer in time']
}

/** There is more to do than can be done; the same again will work later. */
export const overloaded: ProblemBody = { type: 'urn:problem:overloaded', title: 'Too many requests at the moment, try again later', status: 503 }

export const problemType = 'application/problem+json'

export function problem (status: number, errors?: FieldError[]): ProblemBody {
  const known = catalogue[status] !== undefined ? status : status < 500 ? 400 : 500
  const [type, title] = catalogue[known] ?? ['about:blank', 'Error']
  if (errors === undefined) return { type, title, status: known }
  if (known !== 400) return { type, title, status: known, errors }
  return { type: 'urn:problem:validation', title: 'The request is not valid', status: known, errors }
}

/** Thrown by a route to answer with a problem. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly statusCode: number
  readonly errors: FieldError[] | undefined

  constructor (statusCode: number, errors?: FieldError[]) {
    super(problem(statusCode).title)
    this.statusCode = statusCode
    this.errors = errors
  }
}

/** For the `response` of a route's schema. */
export const problemResponse = { description: 'Problem', content: { [problemType]: { schema: Problem } } }
