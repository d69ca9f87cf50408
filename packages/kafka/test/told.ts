import { Producer, type ClientState, type Logger } from '@pair/kafka'
import { expect, inject, vi } from 'vitest'
import { newName } from '../../../test/fixtures/records.js'

export const deadline = 120_000

/** Records a client's log lines and states. */
export function listen () {
  const states: ClientState[] = []
  const lines: Array<{ level: string, text: string, [detail: string]: unknown }> = []
  const write = (level: string) => (details: object, text: string) => { lines.push({ ...details, level, text }) }
  const logger: Logger = { debug () {}, info: write('info'), warn: write('warn'), error: write('error') }
  return {
    states,
    lines,
    options: { logger, onState: (state: ClientState) => states.push(state) },
    has: (state: object) => vi.waitFor(() => expect(states).toContainEqual(expect.objectContaining(state)), deadline),
    /** The latest state about refusals. */
    rights: () => states.filter(({ type }) => type === 'refused' || type === 'allowed').at(-1)
  }
}

/** Creates a topic with one record. */
export async function newTopic () {
  const topic = newName('rights')
  const admin = new Producer({ bootstrapBrokers: [inject('kafkaBrokers')] })
  await admin.send({ messages: [{ topic, partition: 0, value: 'first' }] })
  await admin.close()
  return topic
}
