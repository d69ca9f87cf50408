import { Type } from 'typebox'

// Values that several topics carry.

/** A UUID; the length excludes the form urn:uuid:…, which the format allows. */
export const id = (description: string) => Type.String({ format: 'uuid', maxLength: 36, description })

/** Integers are exact; 0.1 + 0.2 is not. At most what a JavaScript number holds exactly. */
export const amount = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'In minor units of the currency: 1999 is 19.99 EUR, or 1999 JPY.' })

export const currency = Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217 code, such as EUR.' })

/** Text that PostgreSQL can store: no half of a surrogate pair, no NUL. */
const text = '^[^\\p{Surrogate}\\u0000]*$'

export const name = Type.String({ minLength: 1, maxLength: 100, pattern: text, description: 'Name of the user.' })

/** The gateway decides which addresses are valid; readers need only the length. */
export const email = Type.String({ minLength: 1, maxLength: 254, pattern: text, description: 'Email address of the user.' })
