import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ProblemError, problemResponse } from '@pair/service'
import { Type } from 'typebox'
import type { Address, Mail, Mailbox } from './mailbox.js'

const AddressSchema = Type.Object({ Name: Type.String(), Address: Type.String() })
const MailSchema = Type.Object({
  ID: Type.String(),
  MessageID: Type.String(),
  From: AddressSchema,
  To: Type.Array(AddressSchema),
  Subject: Type.String(),
  Created: Type.String({ format: 'date-time' })
}, { title: 'Mail' })
const MailWithText = Type.Object({ ...MailSchema.properties, Text: Type.String() }, { title: 'MailWithText', description: 'The mail' })
const Mails = Type.Object({ total: Type.Integer(), messages: Type.Array(MailSchema) }, { description: 'The newest mails first' })

/** The part of Mailpit's API that reads mails, so that what reads one of the two reads the other. */
export const mailsRoute: FastifyPluginAsyncTypebox<{ mailbox: Mailbox }> = async (app, { mailbox }) => {
  app.get('/api/v1/messages', {
    schema: {
      operationId: 'getMails',
      summary: 'Returns the newest mails',
      querystring: Type.Object({ limit: Type.Optional(Type.String({ pattern: '^[1-9]\\d{0,3}$', description: 'How many, 50 by default' })) }),
      response: { 200: Mails }
    }
  }, async ({ query: { limit = '50' } }) => ({ total: mailbox.count, messages: mailbox.newest(Number(limit)).map(shown) }))

  app.get('/api/v1/message/:id', {
    schema: {
      operationId: 'getMail',
      summary: 'Returns a mail',
      params: Type.Object({ id: Type.String({ maxLength: 36 }) }),
      response: { 200: MailWithText, 404: { ...problemResponse, description: 'No mail has this id' } }
    }
  }, async ({ params: { id } }) => {
    const mail = mailbox.find(id)
    if (mail === undefined) throw new ProblemError(404)
    return { ...shown(mail), Text: mail.text }
  })
}

function shown ({ id, messageId, from, to, subject, created }: Mail) {
  return { ID: id, MessageID: messageId, From: shownAddress(from), To: to.map(shownAddress), Subject: subject, Created: created.toISOString() }
}

const shownAddress = ({ name, address }: Address) => ({ Name: name, Address: address })
