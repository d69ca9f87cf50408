import type { App } from '@pair/service'
import { playlistListener } from './playlist-catalog/playlist-listener.js'
import { playlistsRoute } from './playlist-catalog/playlists-route.js'
import { DomainEvents } from './shared/domain-events.js'
import { catalogsRoute } from './user-catalog/catalogs-route.js'
import { playlistRoute } from './user-catalog/playlist-route.js'
import { userUpdatedConsumer } from './user-catalog/user-updated-consumer.js'

/** The music discovery service: the catalogue of each user, and the playlists that are offered to everybody. */
export default async function musicDiscoveryService (app: App): Promise<void> {
  const domainEvents = new DomainEvents()
  await app.register(userUpdatedConsumer)
  await app.register(catalogsRoute)
  await app.register(playlistRoute, { domainEvents })
  await app.register(playlistListener, { domainEvents })
  await app.register(playlistsRoute)
}
