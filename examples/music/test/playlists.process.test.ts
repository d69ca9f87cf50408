import { randomInt, randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { kill, useBroker } from '../../../test/fixtures/harness.js'
import { eventually, type Service } from '../../../test/fixtures/services.js'
import { seeded } from '../../../test/chaos/src/random.js'
import { catalogOf, catalogsOf, created, startStored } from './system.js'

useBroker()

const kills = Number(process.env['PLAYLIST_KILLS'] ?? 10)
const seed = Number(process.env['PLAYLIST_SEED'] ?? randomInt(1_000_000))

const songs = [{ title: 'So What', artist: 'Miles Davis' }]

async function startCatalog () {
  const [accounts, discovery] = await Promise.all([startStored('accounts'), startStored('music-discovery')])
  const user = await created(accounts.service)
  return { ...discovery, user, catalog: await catalogOf(discovery.service, user.id) }
}

const save = async ({ url }: Service, catalogId: string, id: string, playlist: unknown) => await fetch(`${url}/catalogs/${catalogId}/playlists/${id}`, {
  method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(playlist)
})

const listed = async ({ url }: Service, id: string) => (await (await fetch(`${url}/playlists`)).json() as Array<{ id: string }>).filter(playlist => playlist.id === id)

test('a public playlist is listed with the answer to its save, once however often it is saved, and gone when it is made private', async () => {
  const { service, user, catalog } = await startCatalog()
  const id = randomUUID()
  const playlist = { name: 'Road trip', isPublic: true, songs }
  for (const name of ['Road trip', 'Road trip', 'Way home']) {
    const answer = await save(service, catalog.id, id, { ...playlist, name })
    expect([answer.status, await answer.json()]).toEqual([200, { id, ...playlist, name }])
    expect(await listed(service, id)).toEqual([{ catalogId: catalog.id, id, name, songs }])
  }
  expect((await save(service, catalog.id, id, { ...playlist, isPublic: false })).status).toBe(200)
  expect(await listed(service, id)).toEqual([])
  expect((await catalogsOf(service, user.id))[0]?.playlists).toEqual([{ id, ...playlist, isPublic: false }])
})

test('a playlist of a catalogue that is not there is a 404, and one that is none a 400', async () => {
  const { service, catalog } = await startCatalog()
  expect((await save(service, randomUUID(), randomUUID(), { name: 'x', isPublic: true, songs })).status).toBe(404)
  const playlist = { name: 'x', isPublic: true, songs }
  const song = { title: 'So What', artist: 'Miles Davis' }
  // PostgreSQL cannot store NUL, nor half of a surrogate pair.
  const unstorable = ['\u0000', 'a\uD800', '\uDC00a'].flatMap(text => [{ ...playlist, name: text }, { ...playlist, songs: [{ ...song, title: text }] }, { ...playlist, songs: [{ ...song, artist: text }] }])
  for (const wrong of [{}, { ...playlist, isPublic: 'yes' }, { ...playlist, songs: [{}] }, ...unstorable]) expect((await save(service, catalog.id, randomUUID(), wrong)).status, JSON.stringify(wrong)).toBe(400)
})

test('a playlist has up to 100 songs with titles of 200 characters, of any script', async () => {
  const { service, catalog } = await startCatalog()
  const [id, text] = [randomUUID(), '😀'.repeat(200)]
  const playlist = { name: text.slice(0, 200), isPublic: true, songs: Array.from({ length: 100 }, () => ({ title: text, artist: text })) }
  expect((await save(service, catalog.id, id, playlist)).status).toBe(200)
  expect(await listed(service, id)).toEqual([{ catalogId: catalog.id, id, name: playlist.name, songs: playlist.songs }])
  expect((await save(service, catalog.id, id, { ...playlist, songs: [...playlist.songs, ...songs] })).status).toBe(400)
})

test(`the playlists of a user and the public ones never differ, also when the service is killed (PLAYLIST_KILLS=${kills} PLAYLIST_SEED=${seed})`, async () => {
  const { service: first, client, again, catalog } = await startCatalog()
  const random = seeded(seed)
  const ids = Array.from({ length: 5 }, () => randomUUID())
  let service = first
  let saves = 0
  const end = new AbortController()

  /** Those that are in one of the two only: one statement sees one state of both. */
  let asked: Promise<object[]> = Promise.resolve([])
  const differences = async () => await (asked = asked.then(async () => (await client.query(`
    with own as (select catalog_id, id, name, songs from playlists where is_public), offered as (select catalog_id, id, name, songs from public_playlists)
    (table own except table offered) union all (table offered except table own)`)).rows))

  async function keepSaving () {
    while (!end.signal.aborted) {
      const playlist = { name: `${random.within([0, 1000])}`, isPublic: random.pick([true, true, false]), songs }
      // What is in progress when the service is killed fails, and what comes before the next one listens.
      const answer = await save(service, catalog.id, random.pick(ids), playlist).catch(() => undefined)
      if (answer?.status === 200) saves += 1
      await answer?.body?.cancel()
      expect(await differences()).toEqual([])
    }
  }

  const lanes = Promise.all([keepSaving(), keepSaving(), keepSaving(), keepSaving()])
  const killing = (async () => {
    for (let count = 0; count < kills; count++) {
      const target = saves + random.within([1, 40])
      await eventually(() => expect(saves).toBeGreaterThanOrEqual(target))
      await kill(service)
      expect(await differences()).toEqual([])
      service = await again()
    }
  })().finally(() => end.abort())
  await Promise.all([lanes, killing])
  expect(saves).toBeGreaterThan(kills)
})
