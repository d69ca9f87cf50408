import type { Client, LibrdKafkaError } from 'node-rdkafka'

/** Turns a node-rdkafka call with a callback into a promise. */
export const answered = <Value>(call: (done: (error: LibrdKafkaError | null, value: Value) => void) => unknown): Promise<Value> => new Promise((resolve, reject) => {
  call((error, value) => error ? reject(new Error(error.message)) : resolve(value))
})

export const connected = <Events extends string>(client: Client<Events>) => answered(done => client.connect({}, done))

export const disconnected = <Events extends string>(client: Client<Events>) => new Promise<void>(resolve => { client.disconnect(() => resolve()) })
