import type { Topic } from '@pair/events'
import { userRegister } from './user-register.js'

export { userRegister, userRegisterExample, type UserRegister } from './user-register.js'

/** All topics of the contract. The dead-letter tool reads their retention from here. */
export const allTopics: readonly Topic[] = [userRegister]
