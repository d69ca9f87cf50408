import { start } from '@pair/service/start'

// The consumer in a folder of another name, and so in another group.
await start(() => import('../../../microservices/consumer/dist/app.js'))
