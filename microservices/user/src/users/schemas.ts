import { newId } from '@pair/service'
import { Type, type Static } from 'typebox'

export const NewUser = Type.Object({
  email: Type.String({ format: 'email', maxLength: 254, description: 'Unique, whatever its case' }),
  username: Type.String({ minLength: 3, maxLength: 32, pattern: '^[A-Za-z0-9_.-]*$', description: 'Unique, whatever its case; letters, digits, _ . -' })
}, { additionalProperties: false })

/** A body for /docs with an email and a username that are not taken. */
export function exampleUser (): Static<typeof NewUser> {
  const username = `user-${newId().slice(-12)}`
  return { email: `${username}@example.com`, username }
}

const user = {
  id: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f',
  email: 'user@example.com',
  username: 'imbatman',
  createdAt: '2026-01-31T12:00:00.000Z'
}

export const User = Type.Object({
  id: Type.String({ format: 'uuid' }),
  email: Type.String(),
  username: Type.String(),
  createdAt: Type.String({ format: 'date-time' })
}, { title: 'User', description: 'The user', examples: [user] })

export const UserCreated = Type.Object({ message: Type.String(), user: User }, {
  description: 'The user is stored, and its event will be sent',
  headers: { location: { type: 'string', description: 'Path of the user' } },
  examples: [{ message: 'User successfully created!', user }]
})

export const UserId = Type.Object({ id: Type.String({ format: 'uuid', maxLength: 36, description: 'Id of the user, from the answer to its registration' }) })
