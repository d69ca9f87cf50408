import { startBroker } from '@pair/kafka'
import { runStandalone } from './standalone.js'
import { EMBEDDED_BROKER_SETTINGS } from './embedded-broker.js'

const settings = Object.entries(EMBEDDED_BROKER_SETTINGS).map(([name, value]) => `${name}=${value}`).join(' ')

runStandalone('the embedded broker', startBroker, ({ brokers }) => `
The broker is ready. It keeps its messages in memory only. For the services, in their terminals:

  export KAFKA_BROKERS=${brokers} ${settings}
`)
