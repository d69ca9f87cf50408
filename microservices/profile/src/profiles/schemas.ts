import { Type } from 'typebox'

export const Profile = Type.Object({
  userId: Type.String({ format: 'uuid' }),
  email: Type.String(),
  username: Type.String(),
  createdAt: Type.String({ format: 'date-time' })
}, { title: 'Profile' })

export const UserId = Type.Object({ userId: Type.String({ format: 'uuid', maxLength: 36 }) })
