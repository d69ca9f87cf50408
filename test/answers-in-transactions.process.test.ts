import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requestConfig, type RequestTopic } from '@pair/events'
import { buildService, ReplyError, type ServicePlugin } from '@pair/service'
import { Type } from 'typebox'
import { expect, onTestFinished, test } from 'vitest'
import { brokers, openDatabase, prefix, useBroker } from './fixtures/harness.js'
import { eventually } from './fixtures/services.js'
import { settingsOf } from './fixtures/settings.js'

useBroker()

const saleRequest = {
  name: 'sale_request',
  description: 'Sells a product.',
  version: 1,
  partitions: 4,
  config: requestConfig,
  data: Type.Object({ product: Type.String(), isGone: Type.Boolean() }),
  reply: Type.Object({ sold: Type.Integer() })
} as const satisfies RequestTopic

async function newService (name: string, plugin: ServicePlugin, folder: string, url = '') {
  const env = { KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix, KAFKA_FETCH_WAIT_MAX_MS: '10', KAFKA_SESSION_TIMEOUT_MS: '3000', DATABASE_URL: url || 'postgres://x@127.0.0.1:1/x' }
  const app = await buildService({ name, folder, port: 3999, hasDatabase: url !== '' }, plugin, settingsOf(env), error => { throw error })
  await app.ready()
  onTestFinished(() => app.close())
  return app
}

/** Of a service with a table of its own. */
async function newFolder (): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sales-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'migrations'))
  await writeFile(join(folder, 'migrations', '0000_sales.sql'), 'CREATE TABLE sales (product text NOT NULL);\n')
  return folder
}

test('what an answer writes with db is stored once, and undone where it refuses, without a dead letter', async () => {
  const folder = await newFolder()
  const { url, client } = await openDatabase()
  const seller = await newService('seller-service', async app => {
    app.answer(saleRequest, async ({ data: { product, isGone } }, { db }) => {
      await db.query('insert into sales values ($1)', [product])
      if (isGone) throw new ReplyError('SOLD_OUT', 'there is none left')
      return { sold: 1 }
    })
  }, folder, url)
  await eventually(async () => expect((await seller.inject('/health/consuming')).statusCode).toBe(200))
  const buyer = await newService('buyer-service', async app => { app.asks(saleRequest) }, folder)
  const ask = (product: string, isGone: boolean) => buyer.ask(saleRequest, { product, isGone }, { timeoutMs: 120_000 })

  expect(await ask('shirt', false)).toEqual({ sold: 1 })
  await expect(ask('hat', true)).rejects.toMatchObject({ code: 'SOLD_OUT' })
  expect(await ask('shoe', false)).toEqual({ sold: 1 })
  await eventually(async () => expect((await client.query('select product from sales order by product')).rows).toEqual([{ product: 'shirt' }, { product: 'shoe' }]))
  const metrics = async () => (await seller.inject('/metrics')).body
  await eventually(async () => expect(await metrics()).toMatch(/messages_handled_total\{.*outcome="processed"\} 3/))
  expect(await metrics()).not.toMatch(/dead_letters_total\{.*\} [1-9]/)
})

test('a reply is heard though its transaction fails after it; the request is answered again, and what it writes is stored once', async () => {
  const topic = { ...saleRequest, name: 'failing_sale_request' } satisfies RequestTopic
  const { url, client } = await openDatabase()
  let answers = 0
  const seller = await newService('failing-seller-service', async app => {
    app.answer(topic, async ({ data: { product } }, { db }) => {
      await db.query('insert into sales values ($1)', [product])
      return { sold: ++answers }
    })
  }, await newFolder(), url)
  await eventually(async () => expect((await seller.inject('/health/consuming')).statusCode).toBe(200))
  // A check that waits for the commit, and refuses it once.
  await client.query(`create sequence commits; create function fail_once () returns trigger language plpgsql as
    $$ begin if nextval('commits') = 1 then raise exception using errcode = 'serialization_failure'; end if; return null; end $$;
    create constraint trigger fail_once after insert on sales deferrable initially deferred for each row execute function fail_once()`)
  const buyer = await newService('buyer-service', async app => { app.asks(topic) }, await newFolder())

  expect(await buyer.ask(topic, { product: 'shirt', isGone: false }, { timeoutMs: 120_000 })).toEqual({ sold: 1 })
  await eventually(async () => expect((await client.query('select product from sales')).rows).toEqual([{ product: 'shirt' }]))
  await eventually(async () => expect((await buyer.inject('/metrics')).body).toMatch(/replies_dropped_total\{.*reason="late".*\} 1/))
  expect(answers).toBe(2)
})
