import type { Topic } from '@pair/events'
import { createUser } from './create-user.js'
import { processPayment } from './process-payment.js'
import { getUser } from './get-user.js'
import { getPayment } from './get-payment.js'

export { createUser, createUserExample, type CreateUser } from './create-user.js'
export { processPayment, processPaymentExample, type ProcessPayment } from './process-payment.js'
export { getUser, getUserExample, type GetUser, type User } from './get-user.js'
export { getPayment, getPaymentExample, type GetPayment, type Payment } from './get-payment.js'
/** All topics of the contract. */
export const allTopics: readonly Topic[] = [createUser, processPayment, getUser, getPayment]
