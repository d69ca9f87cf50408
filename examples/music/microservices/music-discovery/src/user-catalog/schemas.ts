import { Type, type Static } from 'typebox'
import { SongSchema, storable } from '../shared/song.js'

const playlist = { name: 'Road trip', isPublic: true, songs: [{ title: 'So What', artist: 'Miles Davis' }] }

export const NewPlaylist = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 100, pattern: storable }),
  isPublic: Type.Boolean({ description: 'Whether it is offered to everybody' }),
  songs: Type.Array(SongSchema, { maxItems: 100 })
}, { additionalProperties: false })

export const examplePlaylist = (): Static<typeof NewPlaylist> => playlist

const id = Type.String({ format: 'uuid', maxLength: 36 })

export const Playlist = Type.Object({ id, ...NewPlaylist.properties }, { title: 'Playlist', description: 'The playlist as it is stored' })

export const Catalogs = Type.Array(Type.Object({
  id,
  user: Type.Object({ id, username: Type.String() }),
  playlists: Type.Array(Playlist)
}), { description: 'One catalogue, or none until the event of the user has arrived' })

export const PlaylistParams = Type.Object({
  catalogId: Type.String({ format: 'uuid', maxLength: 36, description: 'Id of the catalogue' }),
  id: Type.String({ format: 'uuid', maxLength: 36, description: 'Id of the playlist, chosen by the client' })
})

export const CatalogsQuery = Type.Object({ userId: Type.String({ format: 'uuid', maxLength: 36, description: 'Id of the user' }) })
