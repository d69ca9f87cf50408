import { setTimeout as delay } from 'node:timers/promises'
import { EMBEDDED_BROKER_SETTINGS } from '@pair/dev'
import { requestConfig } from '@pair/events'
import { buildService } from '@pair/service'
import { Type } from 'typebox'
import { readSettings } from '../../packages/service/dist/settings/settings.js'
import { settingsOf } from './connection.js'
import { percentiles, steadily } from './load.js'
import { answerWith, type Figures } from './rounds.js'

// A service that replies, or one that asks at a steady rate, independent of replies. The first announces that it is ready, the
// other its result.

interface Job { role: 'ask' | 'answer', topic: string, brokers: string, isReal: boolean, perSecond: number, seconds: number }

const warmUpS = 3

answerWith<Job>(async ({ role, topic: name, brokers, isReal, ...load }) => {
  const topic = {
    name,
    description: '',
    version: 1,
    partitions: 4,
    config: requestConfig,
    data: Type.Object({ number: Type.Integer(), text: Type.String() }),
    reply: Type.Object({ number: Type.Integer(), text: Type.String() })
  } as const
  const settings = readSettings({ PORT: 0, hasDatabase: false }, { LOG_LEVEL: 'silent', ...settingsOf(brokers), ...!isReal && EMBEDDED_BROKER_SETTINGS })
  const app = await buildService({ name: `bench-${role}-service`, folder: '.', port: 1, hasDatabase: false }, async app => {
    if (role === 'ask') app.asks(topic)
    else app.answer(topic, ({ data }) => data)
  }, settings, error => { throw error })
  await app.ready()
  const text = 'x'.repeat(200)
  const ask = (number: number) => app.ask(topic, { number, text }, { timeoutMs: 10_000 })
  for (;;) {
    const { statusCode } = await app.inject('/health/ready')
    if (statusCode === 200 && (role === 'answer' || await ask(0).then(() => true, () => false))) break
    await delay(50)
  }
  return role === 'answer' ? {} : await measure(ask, load)
})

async function measure (ask: (number: number) => Promise<{ number: number }>, { perSecond, seconds }: { perSecond: number, seconds: number }): Promise<Figures> {
  const tookMs: number[] = []
  let wrong = 0
  const one = async (number: number) => {
    const started = performance.now()
    const reply = await ask(number).catch(() => undefined)
    if (reply?.number !== number) wrong++
    if (number >= warmUpS * perSecond) tookMs.push(performance.now() - started)
  }
  const rate = await steadily(perSecond, perSecond * (warmUpS + seconds), one)
  if (wrong > 0) return { void: `${wrong} asks had no reply, or another one` }
  return { rate, ...percentiles(tookMs) }
}
