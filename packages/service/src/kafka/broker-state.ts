import type { ClientState } from '@pair/kafka'

/** The state of a Kafka client, kept for readiness. */
export interface BrokerState {
  /** Whether a broker is connected. */
  isBack: boolean
  /** Member of the consumer group, with or without partitions. */
  isMember: boolean
  /** Whether it has been a member at any time since the start. */
  wasMember: boolean
  /** The reason why the client cannot read a batch, if there is such a batch. */
  unreadable: string | undefined
  /** Topics of which no message has been committed yet. */
  unhandled: string[]
  /** The broker's reason for refusing because of a missing permission. */
  refused: string | undefined
  /** Called when a broker is connected, or when the last one is lost. */
  onChange: (isBack: boolean) => void
  /** The client's `onState` option. */
  onState: (state: ClientState) => void
}

/** @param onFatal called when the client has failed permanently; the process must then be restarted */
export function watchBroker (onFatal: (error: Error) => void): BrokerState {
  const broker: BrokerState = {
    isBack: false,
    isMember: false,
    wasMember: false,
    unreadable: undefined,
    unhandled: [],
    refused: undefined,
    onChange () {},
    onState (state) {
      if (state.type === 'broker-back' || state.type === 'broker-away') {
        broker.isBack = state.type === 'broker-back'
        broker.onChange(broker.isBack)
      }
      if (state.type === 'assigned') broker.isMember = broker.wasMember = true
      if (state.type === 'lost') broker.isMember = false
      if (state.type === 'unreadable') broker.unreadable = state.error.message
      if (state.type === 'readable') broker.unreadable = undefined
      if (state.type === 'unhandled') broker.unhandled = state.topics
      broker.refused = refusedNow(state, broker.refused)
      if (state.type === 'refused') broker.isBack = true // a refusal is an answer
      if (state.type === 'fatal') onFatal(state.error)
    }
  }
  return broker
}

/** The client's refusal after this state, in Kafka's words ("Topic authorization failed"); undefined if nothing is refused. */
export function refusedNow (state: ClientState, before: string | undefined): string | undefined {
  if (state.type === 'refused') return state.error.message.replace(/^Broker: /, '')
  return state.type === 'allowed' ? undefined : before
}
