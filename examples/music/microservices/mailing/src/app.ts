import type { App } from '@pair/service'
import { Type } from 'typebox'
import { mailSender } from './mails/mail-sender.js'
import { userUpdatedConsumer } from './mails/user-updated-consumer.js'

export const settings = {
  MAIL_URL: Type.String({ default: 'smtp://127.0.0.1:1025', pattern: '^smtps?://.', description: 'smtp://user:password@host:port, or smtps://' }),
  MAIL_FROM: Type.String({ default: 'Clone Spotify <welcome@clonespotify.example>', pattern: '@', description: 'an address, as in Name <name@example.com>' })
}

declare module '@pair/service' {
  interface Settings { MAIL_URL: string, MAIL_FROM: string }
}

/** The mailing service: sends a welcome mail to each new user. */
export default async function mailingService (app: App): Promise<void> {
  await app.register(userUpdatedConsumer)
  await app.register(mailSender)
}
