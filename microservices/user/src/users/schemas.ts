import { Type } from 'typebox'

export const NewUser = Type.Object({
  email: Type.String({ format: 'email', maxLength: 254 }),
  username: Type.String({ minLength: 3, maxLength: 32, pattern: '^[A-Za-z0-9_.-]*$', description: 'Letters, digits, _ . -' })
}, { additionalProperties: false })

export const User = Type.Object({
  id: Type.String({ format: 'uuid' }),
  email: Type.String(),
  username: Type.String(),
  createdAt: Type.String({ format: 'date-time' })
}, { title: 'User' })

export const UserCreated = Type.Object({ message: Type.String(), user: User })

export const UserId = Type.Object({ id: Type.String({ format: 'uuid', maxLength: 36 }) })
