import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { promisify } from 'node:util'
import { destination } from 'pino'
import pretty from 'pino-pretty'
import { shutdown } from '../limits.js'

/** Maximum of buffered characters while standard output is not read. Further lines are dropped and counted. */
const maxBuffered = 8_000_000
/** Lines of this interval in ms are written together: a busy service would otherwise make thousands of writes a second. Also the retry interval while the reader is slow. */
const gatherMs = 1
/** Retry interval in ms after a write that the full pipe did not take at all. */
const fullMs = 20
/** How long a slow reader has to take the last lines of a process, in ms. */
const lastLinesMs = shutdown.logMs

/** What pino writes to. */
export interface Output {
  write (line: string): void
  flushSync? (): void
}

/** The log's output, which takes lines that are not of the log as well. */
interface StandardOutput extends Output {
  /** Never drops the line. Resolves when the reader has taken it, and rejects where there is no reader any more. */
  print (line: string): Promise<void>
}

let opened: StandardOutput | undefined
let dropped = 0

/** Number of lines that this process has dropped because its standard output was not read. */
export const droppedLines = () => dropped

/**
 * Standard output, shared by all loggers of the process: formatted lines on a terminal, JSON elsewhere.
 *
 * @param service name for the log line that reports dropped lines
 */
export function standardOutput (service: string): Output {
  opened ??= open(service)
  return opened
}

/**
 * Writes a line to standard output, between lines of the log and never into one: both have one writer. Unlike a line of the
 * log it is never dropped.
 *
 * @returns resolves when the reader has taken the line: to await it is back-pressure, and the event loop turns meanwhile.
 * Rejects with the system's error (EPIPE) where there is no reader any more.
 */
export async function print (text: string): Promise<void> {
  opened ??= open('')
  await opened.print(`${text}\n`)
}

const written = promisify((line: string, done: (error?: Error | null) => void) => process.stdout.write(line, done))

function open (service: string): StandardOutput {
  if (isatty(1)) return Object.assign(pretty({ sync: true, singleLine: true, ignore: 'pid,hostname' }), { print: written })
  const kind = fstatSync(1)
  if (kind.isFIFO() || kind.isSocket()) return pipeOutput(nonBlocking(), service)
  return gathered(destination({ dest: 1, sync: false }))
}

/** Opens stdout in non-blocking mode. A blocking write would stop the process, even at its exit, until the pipe is read. */
function nonBlocking (): number {
  try {
    // Opens the same pipe again: the flags of fd 1 are shared with other processes that write to it.
    return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    // A socket, or no /proc. Accessing process.stdout makes Node set it to non-blocking.
    process.stdout.on('error', () => {})
    return 1
  }
}

/**
 * Output to a pipe or a socket. Lines that do not fit are buffered, up to `maxBuffered`. At the end of the process, buffered
 * lines are lost only if they are not read; a kill -9 loses the lines of the last millisecond.
 */
function pipeOutput (fd: number, service: string): StandardOutput {
  let lines = ''
  let rest = Buffer.alloc(0) // the unwritten part of a started write
  let unreported = 0
  let timer: NodeJS.Timeout | undefined
  const printed: Array<(error?: unknown) => void> = []

  const flush = () => {
    const before = rest.length
    if (writeRest()) timer = undefined
    else timer = setTimeout(flush, rest.length === before ? fullMs : gatherMs)
  }
  process.on('exit', flushSync)
  return {
    write (line) {
      if (lines.length + rest.length > maxBuffered) {
        dropped += 1
        unreported += 1
        return
      }
      timer ??= setTimeout(flush, gatherMs)
      lines += line
    },
    async print (line) {
      lines += line
      const taken = new Promise<void>((resolve, reject) => printed.push(error => error === undefined ? resolve() : reject(error)))
      if (!writeRest()) timer ??= setTimeout(flush, fullMs)
      await taken
    },
    flushSync
  }

  /** @returns whether nothing is left to write */
  function writeRest (): boolean {
    try {
      while (lines !== '' || rest.length > 0 || unreported > 0) {
        if (rest.length === 0) {
          if (lines === '') lines = droppedLine()
          rest = Buffer.from(lines)
          lines = ''
        }
        rest = rest.subarray(writeSync(fd, rest))
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false
      // The reader has closed the pipe.
      dropped += lines.split('\n').length - 1
      lines = ''
      rest = Buffer.alloc(0)
      unreported = 0
      settle(error)
    }
    settle()
    return true
  }

  function settle (error?: unknown): void {
    for (const done of printed.splice(0)) done(error)
  }

  function droppedLine (): string {
    const line = JSON.stringify({ level: 40, time: Date.now(), name: service, dropped: unreported, msg: 'log lines dropped: standard output was not read' })
    unreported = 0
    return `${line}\n`
  }

  /** Writes the buffered lines after a fatal line and at the end of the process; waits for the reader up to 300 ms. */
  function flushSync (): void {
    const until = performance.now() + lastLinesMs
    while (!writeRest() && performance.now() < until) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, gatherMs)
  }
}

/**
 * Output to a file. The lines of one turn of the event loop are written together, in the background. They are not collected in
 * sonic-boom, which recounts the bytes of its whole buffer for each line (4.2.1): that made ten times the line's garbage.
 */
function gathered (out: ReturnType<typeof destination>): StandardOutput {
  let lines = ''
  const flush = () => {
    if (lines !== '') out.write(lines)
    lines = ''
  }
  process.prependListener('exit', flush) // before pino's own last flush
  return {
    write (line: string) {
      if (lines === '') setImmediate(flush)
      lines += line
    },
    async print (line) {
      if (lines === '') setImmediate(flush)
      lines += line
      await new Promise<void>(resolve => setImmediate(() => out.flush(() => resolve())))
    },
    /** Called by pino after a fatal line. Writes synchronously; `out` would only start the write. */
    flushSync () {
      out.flushSync()
      destination({ dest: 1, sync: true }).write(lines)
      lines = ''
    }
  }
}
