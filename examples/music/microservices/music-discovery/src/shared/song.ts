import { Type, type Static } from 'typebox'

/** Text that PostgreSQL can store: no half of a surrogate pair, no NUL. */
export const storable = '^[^\\p{Surrogate}\\u0000]*$'

export const SongSchema = Type.Object({
  title: Type.String({ minLength: 1, maxLength: 200, pattern: storable }),
  artist: Type.String({ minLength: 1, maxLength: 200, pattern: storable })
}, { additionalProperties: false })

export type Song = Static<typeof SongSchema>
