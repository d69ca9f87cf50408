import type { Topic } from '@pair/events'
import { userUpdated } from './user-updated.js'

export { userUpdated, userUpdatedExample, type UserUpdated } from './user-updated.js'
/** All topics of the contract. */
export const allTopics: readonly Topic[] = [userUpdated]
