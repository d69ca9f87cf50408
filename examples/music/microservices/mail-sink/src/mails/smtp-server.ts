import type { FastifyPluginAsync } from 'fastify'
import { buffer } from 'node:stream/consumers'
import type { AddressInfo } from 'node:net'
import PostalMime from 'postal-mime'
import { SMTPServer } from 'smtp-server'
import type { Chaos } from './chaos-route.js'
import type { Address, Mailbox } from './mailbox.js'

const longestMailBytes = 1024 * 1024

/** Takes mails over SMTP, without a login and without TLS. */
export const smtpServer: FastifyPluginAsync<{ mailbox: Mailbox, chaos: Chaos }> = async (app, { mailbox, chaos }) => {
  const { HOST, SMTP_PORT } = app.settings
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    size: longestMailBytes,
    closeTimeout: 1000,
    onMailFrom: (_address, _session, callback) => callback(refusal(chaos.codeFor('Sender'))),
    onRcptTo: (_address, _session, callback) => callback(refusal(chaos.codeFor('Recipient'), { 550: '5.1.1 ' })),
    onData (stream, _session, callback) {
      buffer(stream).then(async bytes => {
        const { messageId = '', from, to = [], subject = '', text = '' } = await PostalMime.parse(bytes)
        mailbox.add({ messageId: messageId.replace(/^<|>$/g, ''), from: addressOf(from), to: to.map(addressOf), subject, text })
      }).then(() => callback(), callback)
    }
  })
  // Of a connection. It is the client's affair, and its message may name an address.
  server.on('error', () => {})

  await new Promise<void>((resolve, reject) => {
    server.server.once('error', cause => reject(new Error(`cannot listen on SMTP_PORT ${SMTP_PORT}`, { cause })))
    server.listen(SMTP_PORT, HOST, resolve)
  })
  app.log.info({ port: (server.server.address() as AddressInfo).port }, 'SMTP server listening')
  app.addHook('onClose', async () => await new Promise<void>(resolve => server.close(resolve)))
}

/** @param statuses enhanced status codes of some answers: 5.1.1 is "no such mailbox" */
function refusal (responseCode: number | undefined, statuses: Record<number, string> = {}): Error | undefined {
  return responseCode === undefined ? undefined : Object.assign(new Error(`${statuses[responseCode] ?? ''}Refused by /api/v1/chaos`), { responseCode })
}

function addressOf (given: { name?: string | undefined, address?: string | undefined } = {}): Address {
  return { name: given.name ?? '', address: given.address ?? '' }
}
