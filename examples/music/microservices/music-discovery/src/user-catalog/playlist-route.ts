import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ProblemError, problemResponse } from '@pair/service'
import type { DomainEvents } from '../shared/domain-events.js'
import { playlistUpdated } from '../shared/playlist-updated.js'
import { examplePlaylist, NewPlaylist, Playlist, PlaylistParams } from './schemas.js'

// The row is locked until the commit, so that the listeners see the saves of a playlist in their order.
const saveSql = `
  insert into playlists (catalog_id, id, name, is_public, songs)
  select id, $2, $3, $4, $5 from catalogs where id = $1
  on conflict (catalog_id, id) do update set name = excluded.name, is_public = excluded.is_public, songs = excluded.songs`

/** PUT /catalogs/:catalogId/playlists/:id: saves a playlist, and tells the other modules within the same transaction. */
export const playlistRoute: FastifyPluginAsyncTypebox<{ domainEvents: DomainEvents }> = async (app, { domainEvents }) => {
  app.put('/catalogs/:catalogId/playlists/:id', {
    config: { exampleBody: examplePlaylist },
    bodyLimit: 256 * 1024, // of 100 songs of 400 characters, each of up to 4 bytes
    schema: {
      tags: ['user-catalog'],
      operationId: 'savePlaylist',
      summary: 'Creates or replaces a playlist',
      params: PlaylistParams,
      body: NewPlaylist,
      response: { 200: Playlist, 404: { ...problemResponse, description: 'No catalogue has this id' } }
    }
  }, async ({ params: { catalogId, id }, body }) => {
    const { name, isPublic, songs } = body
    await app.transaction(async db => {
      const { rowCount } = await db.query(saveSql, [catalogId, id, name, isPublic, JSON.stringify(songs)])
      if (rowCount === 0) throw new ProblemError(404)
      await domainEvents.publish(db, playlistUpdated({ catalogId, id, name, isPublic, songs }))
    })
    return { id, ...body }
  })
}
