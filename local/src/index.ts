export { startPostgres, type Postgres } from './cluster.js'
