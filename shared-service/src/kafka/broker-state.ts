import type { ClientState } from 'shared-kafka'

/** What the client has told of itself, kept for readiness. */
export interface BrokerState {
  /** Not before a broker was seen. */
  isBack: boolean
  /** Member of the consumer group, with or without partitions. */
  isMember: boolean
  /** Why there is a batch that the client cannot read, if there is one. */
  unreadable: string | undefined
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
    unreadable: undefined,
    onChange () {},
    onState (state) {
      if (state.type === 'broker-back' || state.type === 'broker-away') {
        broker.isBack = state.type === 'broker-back'
        broker.onChange(broker.isBack)
      }
      if (state.type === 'assigned') broker.isMember = true
      if (state.type === 'lost') broker.isMember = false
      if (state.type === 'unreadable') broker.unreadable = state.error.message
      if (state.type === 'readable') broker.unreadable = undefined
      if (state.type === 'fatal') onFatal(state.error)
    }
  }
  return broker
}
