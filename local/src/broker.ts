import { startBroker } from 'shared-kafka'
import { runAlone } from './alone.js'

runAlone('the embedded broker', startBroker, ({ brokers }) => `
The broker is ready; what is on it is gone when it ends. For the services, in their terminals:

  export KAFKA_BROKERS=${brokers} KAFKA_SESSION_TIMEOUT_MS=3000
`)
