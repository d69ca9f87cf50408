import { isMainThread } from 'node:worker_threads'

// To be imported before node-rdkafka, which in a worker thread fails with words that say nothing of it.
if (!isMainThread) throw new Error('@pair/kafka works on the main thread only, because node-rdkafka does: load it there, and not in a worker thread')
