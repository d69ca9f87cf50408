import { runAlone } from './alone.js'
import { startPostgres } from './cluster.js'
import { dataDir } from './settings.js'

runAlone('the embedded PostgreSQL', () => startPostgres({ dataDir: dataDir(process.env) }), ({ url, folder }) => `
PostgreSQL is ready, with its data in ${folder}. For npm start:

  export USER_DATABASE_URL=${url('user_service')}
  export PROFILE_DATABASE_URL=${url('profile_service')}

With those exported, for a service alone:

  DATABASE_URL=$USER_DATABASE_URL npm run user
  DATABASE_URL=$PROFILE_DATABASE_URL npm run profile
`)
