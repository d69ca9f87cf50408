import rdkafka from 'node-rdkafka'
import LibrdKafkaError from 'node-rdkafka/lib/error.js'

const codes: Record<string, number> = rdkafka.CODES.ERRORS
const names = new Map(Object.entries(codes).map(([name, code]) => [code, name]))

/** In events and delivery reports the binding gives librdkafka's text without its code, and whole only in the stack. */
const byText = new Map(Object.values(codes).map(code => [LibrdKafkaError.create(code).message, code]))
const textOf = ({ message, stack }: { message?: string, stack?: string }) => /^Error: (.+)$/m.exec(stack ?? '')?.[1] ?? String(message)

/** Failures of the record or the call itself: the same again fails again, however long one waits. */
const atFault = new Set([
  'ERR__INVALID_ARG', 'ERR__BAD_MSG', 'ERR__UNKNOWN_PARTITION',
  'ERR_MSG_SIZE_TOO_LARGE', 'ERR_INVALID_MSG_SIZE', 'ERR_RECORD_LIST_TOO_LARGE', 'ERR_INVALID_MSG', 'ERR_INVALID_RECORD',
  'ERR_INVALID_TIMESTAMP', 'ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT', 'ERR_POLICY_VIOLATION', 'ERR_TOPIC_EXCEPTION'
].map(name => codes[name]))

/** The one error of this client. Recognise it by `code`, never by `instanceof`. */
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
    this.retriable = !atFault.has(this.code)
  }

  /** Wraps what the binding throws or reports; an error of ours stays as it is. */
  static from (cause: unknown): KafkaError {
    if (cause instanceof KafkaError) return cause
    const { code, message } = cause as { code?: unknown, message?: string }
    if (typeof code !== 'number') return new KafkaError('ERR__INVALID_ARG', message ?? String(cause), { cause })
    const text = code === -1 ? textOf(cause as Error) : String(message)
    return new KafkaError(code === -1 ? byText.get(text) ?? code : code, text, { cause })
  }
}
