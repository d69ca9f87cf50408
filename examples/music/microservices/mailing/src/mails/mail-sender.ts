import type { FastifyPluginAsync } from 'fastify'
import { setTimeout as delay } from 'node:timers/promises'
import { MailServer, MailServerError, RecipientRefusedError } from './mail-server.js'
import { longestPauseMs, markFailed, markDeadLettered, markDeferred, markRefused, markSent, nextMail, nextRefusal, type Mail } from './mails.js'

/** How often new mails are looked for, in ms. */
const pollMs = 250
/** The shortest pause after a failure, in ms. */
const shortestPauseMs = 100
/** How long the mail in progress may take to finish after SIGTERM, in ms. */
const finishMs = 1000

type Step = 'done' | 'nothing to do' | 'failed'

/**
 * Sends the mails of the table one after the other, each in a transaction of its own: an attempt that ends without an answer repeats
 * at most one. More instances send more.
 */
export const mailSender: FastifyPluginAsync = async (app) => {
  const server = new MailServer(app.settings.MAIL_URL, app.settings.MAIL_FROM)
  const mailServer = app.dependency('mail server')
  const stop = new AbortController()
  const giveUp = new AbortController()
  let running: Promise<unknown> = Promise.resolve()

  app.addHook('onReady', async () => {
    running = app.database.migrated.then(() => Promise.all([repeat(sendNext), repeat(deadLetterNext)]), () => {})
  })

  // The mail in progress is finished concurrently with the messages.
  let stopped: Promise<unknown> = Promise.resolve()
  app.addHook('preClose', async () => {
    stop.abort()
    stopped = Promise.race([running, delay(finishMs)]).then(() => giveUp.abort())
  })
  app.addHook('onClose', async () => {
    await stopped
    server.close()
    await running
  })

  async function repeat (step: () => Promise<Step>): Promise<void> {
    for (let failures = 0; !stop.signal.aborted;) {
      const result = await step().catch(err => {
        if (!stop.signal.aborted) app.log[failures === 0 ? 'warn' : 'debug']({ err }, 'mails: failed, trying again')
        return 'failed'
      })
      // Longer than the mail's own pause: an instance that reaches its mail server takes it.
      const pauseMs = result === 'failed' ? Math.min(shortestPauseMs * 2 ** failures, longestPauseMs) * (1 + Math.random()) : pollMs
      failures = result === 'failed' ? failures + 1 : 0
      if (result !== 'done') await delay(pauseMs, undefined, { signal: stop.signal }).catch(() => {})
    }
  }

  async function sendNext (): Promise<Step> {
    const result = await app.database.pool.transaction(async db => {
      const mail = await nextMail(db)
      if (mail === undefined) return undefined
      if (!mail.isDue) return 'nothing to do'
      const log = logOf(mail)
      try {
        await server.send(mail, { signal: giveUp.signal, onSilence: error => mailServer.failed(error, { eventId: mail.eventId }) })
      } catch (error) {
        if (giveUp.signal.aborted) throw error
        if (!(error instanceof RecipientRefusedError)) {
          const isOfMail = error instanceof MailServerError && error.isOfMail
          await (isOfMail ? markDeferred : markFailed)(db, mail)
          mailServer.failed(error, { eventId: mail.eventId })
          return isOfMail ? 'done' : 'failed' // the others go on, unless the server takes none
        }
        await markRefused(db, mail, error.message)
        mailServer.recovered()
        log.warn({ userId: mail.userId, why: error.message }, 'mail refused')
        return 'done'
      }
      await markSent(db, mail)
      mailServer.recovered()
      log.info({ userId: mail.userId }, 'mail sent')
      return 'done'
    })
    // Another instance may have sent what this one could not: then the server itself says whether it is back.
    return result ?? (mailServer.isAway ? await verify() : 'nothing to do')
  }

  async function verify (): Promise<Step> {
    try {
      await server.verify(giveUp.signal)
      mailServer.recovered()
      return 'nothing to do'
    } catch (error) {
      mailServer.failed(error)
      return 'failed'
    }
  }

  // In a transaction of its own: while Kafka is away, mails are sent all the same.
  async function deadLetterNext (): Promise<Step> {
    return await app.database.pool.transaction(async db => {
      const mail = await nextRefusal(db)
      if (mail === undefined) return 'nothing to do'
      const error = `the mail server refuses the recipient: ${mail.refusal}`
      await app.messages.deadLetter(mail.origin, { error, attempts: mail.attempts }, logOf(mail))
      await markDeadLettered(db, mail)
      return 'done'
    })
  }

  const logOf = ({ eventId, traceId }: Mail) => app.log.child({ eventId, ...traceId !== null && { trace_id: traceId } })
}
