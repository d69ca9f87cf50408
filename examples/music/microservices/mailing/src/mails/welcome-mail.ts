import { createHash } from 'node:crypto'

/** A mail that is to be sent. */
export interface Welcome { eventId: string, email: string, username: string }

/**
 * The Message-ID of an event's mail. It is the same at each attempt, so that a mail that was sent twice can be recognised. What
 * is no plain id is hashed, because a Message-ID may contain few characters.
 */
export function messageIdOf (eventId: string): string {
  const id = /^[\w-]{1,64}$/.test(eventId) ? eventId : createHash('sha256').update(eventId).digest('hex')
  return `<${id}@mailing.clonespotify.example>`
}

/** The welcome mail as nodemailer takes it. */
export function welcomeMail ({ eventId, email, username }: Welcome, from: string) {
  return {
    from,
    to: { name: username, address: email },
    messageId: messageIdOf(eventId),
    subject: 'Welcome to Clone Spotify',
    text: `Welcome, ${username}!\n\nYour music catalogue is ready.\n`
  }
}
