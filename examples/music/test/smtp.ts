import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { freePort } from '@pair/dev'
import { onTestFinished } from 'vitest'

/** The places of a session at which a test may have another answer given, or none (undefined). */
type Command = 'CONNECT' | 'EHLO' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | '.'
/** @param about the address of RCPT, else the line */
type Answer = (about: string) => string | undefined | Promise<string | undefined>

const usual: Record<Command, string> = { CONNECT: '220 ready', EHLO: '250-smtp.test\r\n250-AUTH PLAIN\r\n250 ENHANCEDSTATUSCODES', AUTH: '235 2.7.0 yes', MAIL: '250 2.1.0 yes', RCPT: '250 2.1.5 yes', DATA: '354 go on', '.': '250 2.0.0 taken' }

export interface TakenMail { to: string, messageId: string, text: string }

/** A mail server of the test's own, which can refuse at any place, say nothing, and be away. Its port stays the same. */
export class SmtpServer {
  /** What was sent to it to the end, also what it then refused or did not answer. */
  readonly mails: TakenMail[] = []
  /** How often each command came. */
  readonly commands: Record<string, number> = {}
  #answers: Partial<Record<Command, Answer>> = {}
  #server: Server | undefined
  readonly #sockets = new Set<Socket>()
  readonly #port: number

  private constructor (port: number) {
    this.#port = port
  }

  static async start (): Promise<SmtpServer> {
    const server = new SmtpServer(await freePort())
    await server.open()
    onTestFinished(async () => await server.close())
    return server
  }

  get url (): string {
    return `smtp://user:secret@127.0.0.1:${this.#port}`
  }

  /** Answers otherwise from now on, and as usual at the places that are not named. */
  answer (answers: Partial<Record<Command, string | Answer>>): void {
    this.#answers = Object.fromEntries(Object.entries(answers).map(([command, answer]) => [command, typeof answer === 'string' ? () => answer : answer]))
  }

  async open (): Promise<void> {
    this.#server = createServer(socket => { this.#serve(socket).catch(() => {}) }).listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** Its connections end, and new ones are refused. */
  async close (): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  mailsTo (address: string): TakenMail[] {
    return this.mails.filter(({ to }) => to === address)
  }

  async #serve (socket: Socket): Promise<void> {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => {})
    const say = async (command: Command, about = '') => {
      this.commands[command] = (this.commands[command] ?? 0) + 1
      const answer = await (this.#answers[command] ?? (() => usual[command]))(about)
      if (answer !== undefined) socket.write(`${answer}\r\n`)
      if (answer?.startsWith('421')) socket.end()
      return answer
    }
    await say('CONNECT')
    let to = ''
    let text: string[] | undefined
    for await (const line of createInterface(socket)) {
      if (text !== undefined) {
        if (line !== '.') { text.push(line); continue }
        this.mails.push({ to, messageId: /^message-id: (.*)$/im.exec(text.join('\n'))?.[1] ?? '', text: text.join('\n') })
        text = undefined
        await say('.', to)
        continue
      }
      const [, command = '', address = ''] = /^(\w+)[^<]*<?([^>]*)/.exec(line) ?? []
      if (command === 'RCPT') to = address
      if (command in usual) {
        const answer = await say(command as Command, command === 'RCPT' ? address : line)
        if (command === 'DATA' && answer?.startsWith('354') === true) text = []
      } else socket.write(command === 'QUIT' ? '221 bye\r\n' : '250 2.0.0 yes\r\n')
    }
  }
}
