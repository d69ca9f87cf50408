import { isMainThread } from 'node:worker_threads'

// Loaded ahead of a service (`node --import`), in its worker threads as well. When the process that forked it is gone, the
// service gets the signal that it would have got from it.
if (isMainThread) {
  const end = () => process.kill(process.pid, 'SIGTERM')
  process.once('disconnect', end)
  // Watching alone must not keep a service alive that has nothing left to do.
  process.channel?.unref()
  if (!process.connected) end()
}
