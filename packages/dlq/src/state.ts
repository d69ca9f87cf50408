/** Unrecognised records are `foreign`: no service has put them there, and a replay leaves them out. */
export const states = ['new', 'replayed', 'discarded', 'foreign'] as const
export type State = typeof states[number]

/** Who has decided that a dead letter needs no replay, why, and when. */
export interface Discard { by: string, why: string, time: string }

export interface Status { state: State, discard?: Discard }
