import type { ClientState } from '@pair/kafka'

/** What the client has told of itself, kept for readiness. */
export interface BrokerState {
  /** Not before a broker was seen. */
  isBack: boolean
  /** Member of the consumer group, with or without partitions. */
  isMember: boolean
  /** It has been one since the start. */
  wasMember: boolean
  /** Why there is a batch that the client cannot read, if there is one. */
  unreadable: string | undefined
  /** Topics of which no message has been committed yet. */
  unhandled: string[]
  /** What the broker refuses, because a right is missing. */
  refused: string | undefined
  /** Called when a broker is connected again, or none is any more. */
  onChange: (isBack: boolean) => void
  /** Give this to the client as its `onState`. */
  onState: (state: ClientState) => void
}

/** @param onFatal called when the client has ended for good; the process is of no use then */
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
      if (state.type === 'refused') broker.isBack = true // it has answered
      if (state.type === 'fatal') onFatal(state.error)
    }
  }
  return broker
}

/** What a client is refused from this state on, in Kafka's words: "Topic authorization failed". */
export function refusedNow (state: ClientState, before: string | undefined): string | undefined {
  if (state.type === 'refused') return state.error.message.replace(/^Broker: /, '')
  return state.type === 'allowed' ? undefined : before
}
