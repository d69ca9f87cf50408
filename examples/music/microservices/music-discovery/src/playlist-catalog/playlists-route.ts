import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type, type Static } from 'typebox'
import { SongSchema } from '../shared/song.js'

const id = Type.String({ format: 'uuid' })

const PublicPlaylists = Type.Array(Type.Object({ catalogId: id, id, name: Type.String(), songs: Type.Array(SongSchema) }), { description: 'The playlists that were saved last, at most 100' })

const playlistsSql = 'select catalog_id as "catalogId", id, name, songs from public_playlists order by updated_at desc limit 100'

/** GET /playlists: the public playlists of all users. */
export const playlistsRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/playlists', {
    schema: {
      tags: ['playlist-catalog'],
      operationId: 'getPlaylists',
      summary: 'Returns the public playlists',
      response: { 200: PublicPlaylists }
    }
  }, async () => (await app.database.requestPool.query<Static<typeof PublicPlaylists>[number]>(playlistsSql)).rows)
}
