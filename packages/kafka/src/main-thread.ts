import { isMainThread } from 'node:worker_threads'

// Must be imported before node-rdkafka, whose error in a worker thread does not name the cause.
if (!isMainThread) throw new Error('@pair/kafka works on the main thread only, because node-rdkafka does: load it there, and not in a worker thread')
