import type { DomainEvent } from './domain-events.js'
import type { Song } from './song.js'

export const playlistUpdatedName = 'com.clonespotify.discovery.user-music-catalog.domain.playlist-updated'

/** A playlist of a user as it was saved. */
export interface UpdatedPlaylist { catalogId: string, id: string, name: string, isPublic: boolean, songs: Song[] }

/** Domain event: a user has saved a playlist. */
export type PlaylistUpdated = DomainEvent<typeof playlistUpdatedName, UpdatedPlaylist>

export function playlistUpdated (payload: UpdatedPlaylist): PlaylistUpdated {
  return { name: playlistUpdatedName, payload }
}
