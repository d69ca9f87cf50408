import { getUser } from '@pair/payments-shared-topics'
import type { App, AskError, ReplyError } from '@pair/service'
import type { Claimed, pendingPayments } from './pending-payments.js'
import { charge, type ChargeResult } from './provider.js'

/** How long an answer of auth is waited for. */
const askTimeoutMs = 2000
/** Pause before a payment is tried again after something did not answer. */
const afterMs = 500

/**
 * Returns a function that settles a claimed payment: asks auth for its user, charges it, and stores the result. What does not
 * answer is reported as a dependency that is away, and the payment is claimed again later. Nothing is declined because of that.
 */
export function paymentSettler (app: App, pending: ReturnType<typeof pendingPayments>, signal: AbortSignal) {
  const askUser = app.asks(getUser)
  const [auth, provider] = [app.dependency('auth'), app.dependency('provider')]

  const canAsk = () => app.requestReply.problem === undefined

  async function settle (payment: Claimed): Promise<void> {
    const log = app.log.child({ paymentId: payment.id, trace_id: payment.traceparent?.split('-')[1] })
    const user = await userOf(payment)
    if (user === 'unknown') {
      if (await pending.unknownUser(payment)) log.info('payment declined: unknown user')
    } else if (user === 'refused') {
      if (await pending.declined(payment, 'unknown-user')) log.info('payment declined: the sign-up was refused')
    } else if (user === 'known') {
      const result = await chargeOnce(payment)
      if (result === undefined) return
      if ('chargeId' in result && await pending.processed(payment, result.chargeId)) log.info('payment processed')
      if ('refused' in result && await pending.declined(payment, result.refused)) log.info({ reason: result.refused }, 'payment declined by the provider')
    }
  }

  /** @returns undefined if auth did not answer; the payment is then claimable again later */
  async function userOf (payment: Claimed): Promise<'known' | 'unknown' | 'refused' | undefined> {
    const couldAsk = canAsk()
    try {
      await askUser({ userId: payment.userId }, { timeoutMs: askTimeoutMs, signal, traceparent: payment.traceparent ?? undefined })
      auth.recovered()
      return 'known'
    } catch (error) {
      const { code } = error as AskError | ReplyError
      if (code === 'UNKNOWN_USER' || code === 'EMAIL_TAKEN') {
        auth.recovered()
        return code === 'UNKNOWN_USER' ? 'unknown' : 'refused'
      }
      // An outage of Kafka is reported as kafka, not as auth: a question may then wait in the producer until its time is over, and a
      // reply is not read. The rest is an auth that is away or cannot answer.
      const isOfKafka = code === 'ERR_ASK_NOT_SENT' || (code === 'ERR_ASK_TIMEOUT' && !(couldAsk && canAsk()))
      if (!signal.aborted && !isOfKafka) auth.failed(error)
      if (!signal.aborted) await pending.forgetUnknown()
      await pending.tryAgain(payment, signal.aborted ? 0 : afterMs)
      return undefined
    }
  }

  async function chargeOnce (payment: Claimed): Promise<ChargeResult | undefined> {
    try {
      const result = await charge(app.settings.PROVIDER_URL, payment, signal)
      provider.recovered()
      return result
    } catch (error) {
      if (!signal.aborted) provider.failed(error)
      await pending.tryAgain(payment, signal.aborted ? 0 : afterMs)
      return undefined
    }
  }

  return {
    settle,
    /** Whether something that a payment needs did not answer the last time. */
    get isHeldUp () { return auth.isAway || provider.isAway },
    /** Called when no payment is pending: all that waited for auth or the provider were answered, here or in another instance. */
    nothingPending () {
      auth.recovered()
      provider.recovered()
    }
  }
}
