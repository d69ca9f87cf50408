import type { App } from '@pair/service'
import { Type } from 'typebox'
import { Chaos, chaosRoute } from './mails/chaos-route.js'
import { Mailbox } from './mails/mailbox.js'
import { mailsPage } from './mails/mails-page.js'
import { mailsRoute } from './mails/mails-route.js'
import { smtpServer } from './mails/smtp-server.js'

export const settings = { SMTP_PORT: Type.Integer({ default: 1025, minimum: 0, maximum: 65535, description: 'a port, 0 to 65535' }) }

declare module '@pair/service' {
  interface Settings { SMTP_PORT: number }
}

/** The mail sink, for development only: takes every mail, sends none on, and shows them. */
export default async function mailSinkService (app: App): Promise<void> {
  const mailbox = new Mailbox()
  const chaos = new Chaos()
  await app.register(smtpServer, { mailbox, chaos })
  await app.register(chaosRoute, { chaos })
  await app.register(mailsRoute, { mailbox })
  await app.register(mailsPage, { mailbox })
}
