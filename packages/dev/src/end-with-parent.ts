import { isMainThread } from 'node:worker_threads'

// Preloaded into a service (`node --import`), also into its worker threads. When the parent process ends, however it does, the
// service receives SIGTERM.
if (isMainThread) {
  const end = () => process.kill(process.pid, 'SIGTERM')
  process.once('disconnect', end)
  // The IPC channel must not keep the service's event loop alive.
  process.channel?.unref()
  if (!process.connected) end()
}
