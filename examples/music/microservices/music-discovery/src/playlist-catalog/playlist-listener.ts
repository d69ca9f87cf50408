import type { FastifyPluginAsync } from 'fastify'
import type { DomainEvents } from '../shared/domain-events.js'
import { playlistUpdatedName, type UpdatedPlaylist } from '../shared/playlist-updated.js'

const listSql = `
  insert into public_playlists (catalog_id, id, name, songs, updated_at) values ($1, $2, $3, $4, now())
  on conflict (catalog_id, id) do update set name = excluded.name, songs = excluded.songs, updated_at = excluded.updated_at`

const unlistSql = 'delete from public_playlists where catalog_id = $1 and id = $2'

/** Domain event playlist-updated: a public playlist is offered to everybody, a private one is not. */
export const playlistListener: FastifyPluginAsync<{ domainEvents: DomainEvents }> = async (_app, { domainEvents }) => {
  domainEvents.on(playlistUpdatedName, async ({ catalogId, id, name, isPublic, songs }: UpdatedPlaylist, db) => {
    if (isPublic) await db.query(listSql, [catalogId, id, name, JSON.stringify(songs)])
    else await db.query(unlistSql, [catalogId, id])
  })
}
