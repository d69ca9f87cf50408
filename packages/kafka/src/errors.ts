import rdkafka from 'node-rdkafka'
import LibrdKafkaError from 'node-rdkafka/lib/error.js'

const codes: Record<string, number> = rdkafka.CODES.ERRORS
const names = new Map(Object.entries(codes).map(([name, code]) => [code, name]))

/** Codes by librdkafka's text: events and delivery reports of the binding have no code, and the whole text only in the stack. */
const byText = new Map(Object.values(codes).map(code => [LibrdKafkaError.create(code).message, code]))
const textOf = ({ message, stack }: { message?: string, stack?: string }) => /^Error: (.+)$/m.exec(stack ?? '')?.[1] ?? String(message)

/**
 * Errors about the record itself, which fails again until the record or the topic's limits change. Every other error can pass with
 * time, an operator's action or another attempt. That includes errors that sound permanent: a timestamp (ERR_INVALID_TIMESTAMP: each attempt
 * has a new one), a damaged request or response (ERR_INVALID_MSG, ERR__BAD_MSG), and errors about the topic and so about all its records
 * (ERR_TOPIC_EXCEPTION, ERR_POLICY_VIOLATION, ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, ERR__UNKNOWN_PARTITION).
 */
const ofTheRecord = new Set([
  'ERR__INVALID_ARG', 'ERR_MSG_SIZE_TOO_LARGE', 'ERR_RECORD_LIST_TOO_LARGE', 'ERR_INVALID_RECORD'
].map(name => codes[name]))

/** The only error class of this client. Recognise it by `code`, never by `instanceof`. */
export class KafkaError extends Error {
  override readonly name = 'KafkaError'
  /** librdkafka's error code: negative for its own, positive for the broker's. */
  readonly code: number
  /** The name of the code, such as `ERR__MSG_TIMED_OUT`. */
  readonly codeName: string
  /** Whether the same call can succeed later without a change to what was sent. */
  readonly retriable: boolean

  constructor (code: number | string, text: string, options?: ErrorOptions) {
    super(text, options)
    this.code = typeof code === 'string' ? codes[code] ?? -1 : code
    this.codeName = names.get(this.code) ?? 'ERR_UNKNOWN'
    this.retriable = !ofTheRecord.has(this.code)
  }

  /** From the log line of a fatal error: `[thrd:main]: Fatal error: <librdkafka's text of the cause>: <more>`. */
  static fromFatal (line: string): KafkaError {
    const text = line.replace(/^.*?Fatal error: /, '')
    const [, code = 'ERR__FATAL'] = [...byText].find(([known]) => text.startsWith(`${known}: `)) ?? []
    return new KafkaError(code, text)
  }

  /** From librdkafka's code, with its text. */
  static ofCode (code: number): KafkaError {
    return new KafkaError(code, LibrdKafkaError.create(code).message)
  }

  /** Wraps an error of the binding; returns a KafkaError unchanged. */
  static from (cause: unknown): KafkaError {
    if (cause instanceof KafkaError) return cause
    const { code, message } = cause as { code?: unknown, message?: string }
    if (typeof code !== 'number') return new KafkaError('ERR__INVALID_ARG', message ?? String(cause), { cause })
    const text = code === -1 ? textOf(cause as Error) : String(message)
    return new KafkaError(code === -1 ? byText.get(text) ?? code : code, text, { cause })
  }
}
