import { relative } from 'node:path'
import { scriptOf } from './generate/contract.js'
import { startPostgres } from './postgres/server.js'
import { dataDir } from './settings.js'
import { runStandalone } from './standalone.js'
import { readSystem, repository } from './system.js'

// npm run postgres [system]

runStandalone('the embedded PostgreSQL', async () => {
  const system = readSystem(process.argv[2])
  const stored = system.services.flatMap(({ name, database, databaseVariable }) => database ? [{ name, database, databaseVariable }] : [])
  const server = await startPostgres({ dataDir: dataDir(system, process.env), databases: stored.map(({ database }) => database) })
  return { ...server, stored, root: system.root }
}, ({ url, folder, stored, root }) => `
PostgreSQL is ready, with its data in ${folder}. For npm start:

${stored.map(({ database, databaseVariable }) => `  export ${databaseVariable}=${url(database)}`).join('\n')}

With those exported, for one service:

${stored.map(({ name, databaseVariable }) => `  DATABASE_URL=$${databaseVariable} npm run ${scriptOf(relative(repository, root), name)}`).join('\n')}
`)
