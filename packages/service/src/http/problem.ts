import { Type, type Static } from 'typebox'

/**
 * The body of every answer with a status of 400 or above.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export const Problem = Type.Object({
  type: Type.String({ description: 'Stable name for this kind of problem' }),
  title: Type.String(),
  status: Type.Integer(),
  errors: Type.Optional(Type.Array(Type.Object({
    field: Type.String({ description: 'Path of the member that is wrong, or "body" for the whole body' }),
    message: Type.String({ description: 'The error; it never repeats the value' })
  })))
}, { title: 'Problem' })

export type ProblemBody = Static<typeof Problem>
export type FieldError = NonNullable<ProblemBody['errors']>[number]

/** All kinds of problems by their status. */
const catalogue: Record<number, readonly [type: string, title: string]> = {
  400: ['urn:problem:bad-request', 'The request is malformed'],
  404: ['urn:problem:not-found', 'There is nothing here'],
  408: ['urn:problem:request-timeout', 'The request took too long to arrive'],
  409: ['urn:problem:conflict', 'This is taken already'],
  413: ['urn:problem:body-too-large', 'The body is too large'],
  415: ['urn:problem:unsupported-media-type', 'The body must be application/json'],
  417: ['urn:problem:expectation-failed', 'Only "Expect: 100-continue" can be met'],
  422: ['urn:problem:unprocessable', 'The request contradicts an earlier one'],
  429: ['urn:problem:rate-limited', 'Too many requests from here, try again later'],
  431: ['urn:problem:headers-too-large', 'The headers are too large'],
  500: ['urn:problem:internal', 'Something went wrong on our side'],
  502: ['urn:problem:refused-upstream', 'A service that was asked has refused'],
  503: ['urn:problem:unavailable', 'Not available at the moment, try again later'],
  504: ['urn:problem:timeout-upstream', 'A service that was asked did not answer in time']
}

/** The service is overloaded; the same request will succeed later. */
export const overloaded: ProblemBody = { type: 'urn:problem:overloaded', title: 'Too many requests at the moment, try again later', status: 503 }

/** Kafka has not acknowledged what a request has published, or did so too late. */
export const notAcknowledged: ProblemBody = { type: 'urn:problem:not-acknowledged', title: 'Not acknowledged in time: it may be delivered all the same, and twice if it is sent again', status: 503 }

/** `Retry-After` of both, in seconds. */
export const retryAfterS = 1

export const problemType = 'application/problem+json'

export function problem (status: number, errors?: FieldError[]): ProblemBody {
  const known = catalogue[status] !== undefined ? status : status < 500 ? 400 : 500
  const [type, title] = catalogue[known] ?? ['about:blank', 'Error']
  if (errors === undefined) return { type, title, status: known }
  if (known !== 400) return { type, title, status: known, errors }
  return { type: 'urn:problem:validation', title: 'The request is not valid', status: known, errors }
}

/** A route throws it to answer with a problem document. */
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

/** A problem document as an answer of a route, for the `response` of its schema. /docs adds an example, and a description if there is none. */
export const problemResponse = { content: { [problemType]: { schema: Problem } } }
