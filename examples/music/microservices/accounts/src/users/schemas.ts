import { newId } from '@pair/service'
import { Type, type Static } from 'typebox'

export const NewUser = Type.Object({
  id: Type.String({ format: 'uuid', maxLength: 36, description: 'Chosen by the client, so that it can send the request again: the second one is a 409' }),
  username: Type.String({ minLength: 3, maxLength: 32, pattern: '^[A-Za-z0-9_.-]*$', description: 'Unique, whatever its case; letters, digits, _ . -' }),
  password: Type.String({ minLength: 8, maxLength: 128, description: 'It is hashed, and given to nobody' }),
  email: Type.String({ format: 'email', maxLength: 254, description: 'Unique, whatever its case' })
}, { additionalProperties: false })

export type NewUserBody = Static<typeof NewUser>

/** A body for /docs with an id, username and email that are not taken. */
export function exampleUser (): NewUserBody {
  const id = newId()
  const username = `user-${id.slice(-12)}`
  return { id, username, password: 'password123', email: `${username}@example.com` }
}

export const User = Type.Object({
  id: Type.String({ format: 'uuid' }),
  username: Type.String(),
  email: Type.String()
}, {
  title: 'User',
  description: 'The user is stored, and its event will be sent',
  examples: [{ id: '12345678-1234-1234-1234-123456789abc', username: 'john_doe', email: 'john.doe@example.com' }]
})
