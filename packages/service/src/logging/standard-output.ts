import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { destination } from 'pino'
import pretty from 'pino-pretty'
import { shutdown } from '../limits.js'

/** What is kept while nobody reads, in characters. More lines than that are dropped, and counted. */
const mostKept = 8_000_000
/** Lines of this time are one write, of which a busy service would make thousands a second; and so long a reader has to make room. */
const gatherMs = 1
/** How long to wait when it has made none. */
const fullMs = 20
/** What a reader that is slow has to take the last lines of a process. */
const lastLinesMs = shutdown.logMs

/** What pino writes to. */
export interface Output {
  write (line: string): void
  flushSync? (): void
}

let opened: Output | undefined
let dropped = 0

/** How many lines this process has dropped, because nobody has read its standard output. */
export const droppedLines = () => dropped

/**
 * Standard output, one for all loggers of a process: lines for reading on a terminal, JSON elsewhere.
 *
 * @param service whose name stands in the line that says how many lines were dropped
 */
export function standardOutput (service: string): Output {
  opened ??= open(service)
  return opened
}

function open (service: string): Output {
  if (isatty(1)) return pretty({ sync: true, singleLine: true, ignore: 'pid,hostname' })
  const kind = fstatSync(1)
  if (kind.isFIFO() || kind.isSocket()) return pipeOutput(nonBlocking(), service)
  return gathered(destination({ dest: 1, sync: false }))
}

/** A write that waits for a reader would hold the process, at its end, too: a thread that waits for one cannot be ended. */
function nonBlocking (): number {
  try {
    // The same pipe with flags of our own: those of standard output are shared with whoever else writes to it.
    return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    // A socket, or no /proc. Node makes standard output non-blocking when somebody asks for it.
    process.stdout.on('error', () => {})
    return 1
  }
}

/**
 * A pipe or a socket. What does not fit is kept for later, up to a bound. Lines that are kept at the end of the process are
 * lost only where nobody reads them; a kill -9 loses those of the last millisecond.
 */
function pipeOutput (fd: number, service: string): Output {
  let lines = ''
  let rest = Buffer.alloc(0) // of what was begun to write
  let unsaid = 0
  let timer: NodeJS.Timeout | undefined

  const flush = () => {
    const before = rest.length
    if (writeRest()) timer = undefined
    else timer = setTimeout(flush, rest.length === before ? fullMs : gatherMs)
  }
  process.on('exit', flushSync)
  return {
    write (line) {
      if (lines.length + rest.length > mostKept) {
        dropped += 1
        unsaid += 1
        return
      }
      timer ??= setTimeout(flush, gatherMs)
      lines += line
    },
    flushSync
  }

  /** @returns whether nothing is left to write */
  function writeRest (): boolean {
    try {
      while (lines !== '' || rest.length > 0 || unsaid > 0) {
        if (rest.length === 0) {
          if (lines === '') lines = droppedLine()
          rest = Buffer.from(lines)
          lines = ''
        }
        rest = rest.subarray(writeSync(fd, rest))
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false
      // Whoever read it is gone.
      dropped += lines.split('\n').length - 1
      lines = ''
      rest = Buffer.alloc(0)
      unsaid = 0
    }
    return true
  }

  function droppedLine (): string {
    const line = JSON.stringify({ level: 40, time: Date.now(), name: service, dropped: unsaid, msg: 'log lines dropped: standard output was not read' })
    unsaid = 0
    return `${line}\n`
  }

  /** For the last lines: after a fatal one, and at the end of the process. Waits for a reader, but not for long. */
  function flushSync (): void {
    const until = performance.now() + lastLinesMs
    while (!writeRest() && performance.now() < until) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, gatherMs)
  }
}

/**
 * A file. Lines are written in the background, those of one turn of the event loop as one: what gathers in sonic-boom it
 * counts anew, byte by byte, for each line (4.2.1), which made ten times the garbage of the line itself.
 */
function gathered (out: ReturnType<typeof destination>): Output {
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
    /** pino calls it after a fatal line. Not through `out`, which would only start to write. */
    flushSync () {
      out.flushSync()
      destination({ dest: 1, sync: true }).write(lines)
      lines = ''
    }
  }
}
