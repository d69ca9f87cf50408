export { decoder, type Decoded } from './decode.js'
export { createEvent, envelope, eventSchema, type Event } from './event.js'
export { deadLetterTopic, type Topic } from './topic.js'
export { userRegister, userRegisterExample, type UserRegister } from './user-register.js'
