import type { Db } from '@pair/service'

/** A fact of the domain, for the modules of this process only. It is on no topic. */
export interface DomainEvent<Name extends string, Payload> { name: Name, payload: Payload }

/** Handles an event with the transaction that caused it. */
export type DomainEventHandler<Payload> = (payload: Payload, db: Db) => Promise<void>

/**
 * Tells the modules of this process what has happened, within the transaction in which it happens: cause and effects are stored
 * together, or none of them. An event after the commit would be lost with a process that dies in between, and nothing would know.
 */
export class DomainEvents {
  readonly #handlers = new Map<string, Array<DomainEventHandler<never>>>()

  on<Name extends string, Payload> (name: DomainEvent<Name, Payload>['name'], handle: DomainEventHandler<Payload>): void {
    this.#handlers.set(name, [...this.#handlers.get(name) ?? [], handle])
  }

  /** Resolves when all handlers have ended. @throws the error of the first one that fails, which rolls back the transaction */
  async publish<Payload> (db: Db, { name, payload }: DomainEvent<string, Payload>): Promise<void> {
    // One after the other: they share a connection.
    for (const handle of this.#handlers.get(name) ?? []) await (handle as DomainEventHandler<Payload>)(payload, db)
  }
}
