import { withTimeLimit } from '@pair/service'

/** No answer after this time, in ms, counts as no answer; the charge may have been made. */
const timeoutMs = 3000

export type ChargeResult = { chargeId: string } | { refused: string }

/**
 * Charges a payment. The provider honours the idempotency key, which is the payment's id: however often this is called for a
 * payment, it is charged once. So a crash between the charge and its row in the database is mended by calling again.
 *
 * @throws Error for every answer but "charged" and "refused": a wrong URL or an outage must not decline payments
 */
export async function charge (providerUrl: string, { id, amount, currency }: { id: string, amount: number, currency: string }, signal: AbortSignal): Promise<ChargeResult> {
  const { status, answer } = await request(new URL('/charges', providerUrl), { key: id, body: { amount, currency }, signal })
  if (status === 201) return { chargeId: String(answer.id) }
  return { refused: /^[a-z-]{1,100}$/.test(String(answer.code)) ? String(answer.code) : 'refused-by-provider' }
}

async function request (url: URL, { key, body, signal }: { key: string, body: object, signal: AbortSignal }) {
  return await withTimeLimit(timeoutMs, signal, async signal => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify(body),
      signal
    })
    if (response.status !== 201 && response.status !== 402) throw new Error(`the provider answers ${response.status}`)
    return { status: response.status, answer: await response.json() as { id?: unknown, code?: unknown } }
  })
}
