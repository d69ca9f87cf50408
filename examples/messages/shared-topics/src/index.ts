import type { Topic } from '@pair/events'
import { blog } from './blog.js'

export { blog, blogExample, type Blog } from './blog.js'
/** All topics of the contract. */
export const allTopics: readonly Topic[] = [blog]
