import nodemailer from 'nodemailer'
import { setTimeout as delay } from 'node:timers/promises'
import { welcomeMail, type Welcome } from './welcome-mail.js'

/** A server that says nothing for this long is away, in ms. */
const silenceMs = 5000
/** Time limit of a mail until its body is sent, in ms. A server that has not taken over the mail by then is reported as away. */
const mailMs = 9000
/**
 * How long the server may take from then on, in ms: it filters the content, say. A shorter limit would send the mail again and again.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2.6
 */
const takeOverMs = 600_000
/** A server closes an idle connection after some minutes; this side does before. */
const idleMs = 10_000

/** The server refuses the recipient. Another attempt would be refused, too. */
export class RecipientRefusedError extends Error {
  override readonly name = 'RecipientRefusedError'
}

/** The mail was not sent, for any other reason: to be tried again. */
export class MailServerError extends Error {
  override readonly name = 'MailServerError'
  /** Another mail may be taken: this one was refused at its recipient or its end, or may have been taken over. */
  readonly isOfMail: boolean

  constructor (message: string, { isOfMail = false } = {}) {
    super(message)
    this.isOfMail = isOfMail
  }
}

interface Attempt {
  /** Ends the attempt; the mail may have been sent all the same. */
  signal: AbortSignal
  /** The server has the mail and does not answer for now. It is waited for. */
  onSilence: (error: MailServerError) => void
}

interface SmtpError extends Error { code?: string, command?: string, response?: string, responseCode?: number }

/** Sends mails over one connection. Its errors quote nothing that the server said, which may repeat an address. */
export class MailServer {
  readonly #transport
  readonly #verifier
  readonly #from: string

  /** @param url of the server, with user and password where it asks for them */
  constructor (url: string, from: string) {
    this.#from = from
    const limits = { connectionTimeout: silenceMs, dnsTimeout: silenceMs, greetingTimeout: silenceMs, disableFileAccess: true, disableUrlAccess: true }
    this.#verifier = nodemailer.createTransport({ url, ...limits, socketTimeout: silenceMs })
    this.#transport = nodemailer.createTransport({
      url,
      ...limits,
      pool: true,
      maxConnections: 1,
      maxMessages: Infinity,
      maxRequeues: 1, // of a mail of which nothing was sent, because the server has closed an idle connection
      idleTimeout: idleMs,
      socketTimeout: takeOverMs + silenceMs // send() has the limits
    })
    // The server reads the body after its answer to DATA: the stream ends when the body is on its way.
    this.#transport.use('stream', (mail, done) => {
      const { onBodySent } = mail.data as { onBodySent?: () => void }
      if (onBodySent !== undefined) mail.message.processFunc(stream => stream.once('end', onBodySent))
      done()
    })
  }

  /**
   * Resolves when the server has taken the mail over.
   *
   * @throws RecipientRefusedError or MailServerError
   */
  async send (mail: Welcome, { signal, onSilence }: Attempt): Promise<void> {
    const limit = new AbortController()
    let isBodySent = false
    let timer = setTimeout(() => {
      if (!isBodySent) return limit.abort()
      onSilence(new MailServerError(`has the mail, no answer within ${mailMs} ms`))
      timer = setTimeout(() => limit.abort(), takeOverMs)
    }, mailMs)
    const content = { ...welcomeMail(mail, this.#from), onBodySent: () => { isBodySent = true }, signal: AbortSignal.any([signal, limit.signal]) }
    try {
      await this.#transport.sendMail(content)
    } catch (err) {
      const error = err as SmtpError
      if (isOfRecipient(error)) throw new RecipientRefusedError(describe(error))
      throw new MailServerError(describe(error), { isOfMail: error.response === undefined ? isBodySent : isOfMail(error) })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Resolves if the server greets and takes the login. @param signal ends the attempt @throws MailServerError */
  async verify (signal: AbortSignal): Promise<void> {
    const done = new AbortController()
    const inTime = delay(mailMs, undefined, { signal: AbortSignal.any([signal, done.signal]) }).then(() => { throw new Error(`no answer within ${mailMs} ms`) })
    try {
      await Promise.race([this.#verifier.verify(), inTime])
    } catch (error) {
      throw new MailServerError(describe(error as SmtpError))
    } finally {
      done.abort()
    }
  }

  close (): void {
    this.#transport.close({ force: true })
  }
}

/**
 * Whether the server refuses this recipient for good: a permanent answer (5xx) to the recipient or the mail with an enhanced status
 * code of its address: no such mailbox (5.1.1), system (5.1.2), syntax (5.1.3), ambiguous (5.1.4), moved (5.1.6), null MX (5.1.10).
 * 5.1.7 and 5.1.8 are about the sender's address. Any other refusal concerns the account, a limit, the protocol or a policy, or does
 * not say: no mail is given up for it.
 *
 * @see https://www.iana.org/assignments/smtp-enhanced-status-codes
 */
export function isOfRecipient ({ code, command, response = '', responseCode }: SmtpError): boolean {
  if (code === 'EENVELOPE' && command === 'API') return true // it is no address: the server was not asked
  return isAtMail(command) && Number(responseCode) >= 500 && /^5\.1\.(?:[12346]|10)$/.test(statusOf(response))
}

/** Whether this mail is refused for now, and not the connection: 421 ends that. */
const isOfMail = ({ command, responseCode }: SmtpError) => isAtMail(command) && responseCode !== undefined && responseCode !== 421

const isAtMail = (command?: string) => command === 'RCPT TO' || command === 'DATA'

/** The enhanced status code of an answer: 5.1.1 */
const statusOf = (response: string) => /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/.exec(response)?.[1] ?? ''

function describe ({ code, command, message, response, responseCode }: SmtpError): string {
  if (response !== undefined) return `${command ?? code} was answered ${[responseCode, statusOf(response)].filter(Boolean).join(' ')}`
  if (code === 'EENVELOPE') return 'not a valid address'
  return code === 'EABORT' ? 'no answer within the time limit' : message
}
