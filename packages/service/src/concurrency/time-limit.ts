/**
 * Runs `task` with a signal that is aborted with the given one, or after `ms` milliseconds. On Node 20 `AbortSignal.any` does not
 * do that with an `AbortSignal.timeout`, which the garbage collector may remove before it is over.
 *
 * @see https://github.com/nodejs/node/issues/57736
 */
export async function withTimeLimit<Result> (ms: number, signal: AbortSignal, task: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(new Error(`no answer within ${ms} ms`)), ms)
  try {
    return await task(AbortSignal.any([signal, limit.signal]))
  } finally {
    clearTimeout(timer)
  }
}
