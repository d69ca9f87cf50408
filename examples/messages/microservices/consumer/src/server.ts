import { start } from '@pair/service/start'

await start(() => import('./app.js'))
