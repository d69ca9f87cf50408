import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { StoredMessage } from '@pair/kafka'
import { deadLetter, type Cut, type Failure } from '../../service/dist/messages/dead-letters.js'

export const script = fileURLToPath(new URL('../dist/dlq.js', import.meta.url))

interface Run {
  brokers?: string
  prefix?: string
  /** Further settings. */
  settings?: Record<string, string>
  /** For node itself. */
  node?: string[]
  /** Called once, with the first output. */
  onOutput?: (child: ChildProcess) => void
}

/** Runs the tool as an operator does, and returns its exit code and what it said. */
export async function dlq (args: string[], { brokers, prefix, settings, node = [], onOutput }: Run = {}) {
  const child = spawn(process.execPath, [...node, script, ...args], {
    env: { PATH: process.env.PATH, ...(brokers === undefined ? {} : { KAFKA_BROKERS: brokers }), ...(prefix === undefined ? {} : { KAFKA_PREFIX: prefix }), ...settings },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  if (onOutput) child.stdout.once('data', () => onOutput(child))
  const said = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', text => { said.out += text })
  child.stderr.setEncoding('utf8').on('data', text => { said.err += text })
  const code = await new Promise<number | string>(resolve => child.once('close', (code, signal) => resolve(signal ?? code ?? 0)))
  return { code, ...said, get json () { return said.out.trim().split('\n').filter(Boolean).map(parse) } }
}

/** Never throws: a test that fails shows all of a run, whose output need not be JSON. */
function parse (line: string): Record<string, unknown> {
  try {
    return JSON.parse(line)
  } catch {
    return { noJson: line }
  }
}

export const failure: Failure = { reason: 'failed', error: 'the mail server said no', attempts: 5 }

/** A message as the services get it. */
export function message (overrides: Partial<StoredMessage> = {}) {
  return {
    topic: 'user_register',
    partition: 2,
    offset: 41,
    key: Buffer.from('key'),
    value: Buffer.from('value'),
    headers: [{ 'content-type': Buffer.from('text/plain') }],
    timestamp: 1_795_229_125_631,
    release () {},
    ...overrides
  }
}

/** A dead letter as the services write it, and as it is read again. */
export function stored (original = message(), about: Failure = failure, cut: Cut = 'nothing', place = { partition: 1, offset: 7 }): StoredMessage {
  const { topic, key, value, headers = [] } = deadLetter(original, about, 'mailer', cut)
  const bytes = headers.flatMap(header => Object.entries(header)).map(([name, text]) => ({ [name]: Buffer.from(text) }))
  return { topic, ...place, key: key as Buffer | null, value: value as Buffer | null, headers: bytes, timestamp: 1_795_229_126_000 }
}
