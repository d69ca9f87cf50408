import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import { Catalogs, CatalogsQuery } from './schemas.js'

const catalogsSql = `
  select id, json_build_object('id', user_id, 'username', username) as user, (
    select coalesce(json_agg(json_build_object('id', playlists.id, 'name', name, 'isPublic', is_public, 'songs', songs) order by name, playlists.id), '[]')
    from playlists where catalog_id = catalogs.id
  ) as playlists
  from catalogs where user_id = $1`

/** GET /catalogs?userId=…: the catalogue of a user; an empty list until the user's event has been processed. */
export const catalogsRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/catalogs', {
    schema: {
      tags: ['user-catalog'],
      operationId: 'getCatalogs',
      summary: 'Returns the catalogue of a user',
      querystring: CatalogsQuery,
      response: { 200: Catalogs }
    }
  }, async ({ query: { userId } }) => (await app.database.requestPool.query<Static<typeof Catalogs>[number]>(catalogsSql, [userId])).rows)
}
