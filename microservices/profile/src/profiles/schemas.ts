import { Type } from 'typebox'

export const Profile = Type.Object({
  userId: Type.String({ format: 'uuid' }),
  email: Type.String(),
  username: Type.String(),
  createdAt: Type.String({ format: 'date-time' })
}, {
  title: 'Profile',
  description: 'The profile',
  examples: [{ userId: '01990f3c-6d29-7b1d-9c3f-5a6b7c8d9e0f', email: 'user@example.com', username: 'imbatman', createdAt: '2026-01-31T12:00:00.000Z' }]
})

export const UserId = Type.Object({ userId: Type.String({ format: 'uuid', maxLength: 36, description: 'Id of the user, from the answer to its registration' }) })
