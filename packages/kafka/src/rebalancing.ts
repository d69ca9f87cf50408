import rdkafka from 'node-rdkafka'
import type { Assignment } from './assignment.js'
import type { AttachedConsumer } from './attached-consumer.js'
import { KafkaError } from './errors.js'
import { nameOf } from './partitions.js'
import type { StartingPoints } from './starting-points.js'

/** Serves the group's rebalances one after the other: finds the starting points of new partitions, and changes the assignment. */
export class Rebalancing {
  /** Settles when the latest assignment is in place. */
  placed: Promise<unknown> = Promise.resolve()
  readonly #consumer: AttachedConsumer
  readonly #assignment: Assignment
  readonly #startingPoints: StartingPoints | undefined
  readonly #on: { assigned: () => void, failed: (error: KafkaError) => void }

  constructor (consumer: AttachedConsumer, assignment: Assignment, startingPoints: StartingPoints | undefined, on: { assigned: () => void, failed: (error: KafkaError) => void }) {
    this.#consumer = consumer
    this.#assignment = assignment
    this.#startingPoints = startingPoints
    this.#on = on
  }

  /** @param code ERR__ASSIGN_PARTITIONS, or any other to give partitions up */
  rebalance (code: number, partitions: rdkafka.Assignment[]): void {
    const failed = (error: Error) => this.#on.failed(KafkaError.from(error))
    if (code !== rdkafka.CODES.ERRORS.ERR__ASSIGN_PARTITIONS) {
      this.placed.then(() => this.#assignment.remove(partitions)).catch(failed)
    } else if (this.#startingPoints === undefined) {
      this.#assign(partitions)
    } else {
      this.placed = this.#startingPoints.of(this.#consumer, partitions, () => this.#assignment.isClosed)
        .then(starts => this.#assign(partitions, starts)).catch(failed)
    }
  }

  /** Runs while no read is under way on the event loop; librdkafka drops messages of an earlier assignment. */
  #assign (partitions: rdkafka.Assignment[], starts: rdkafka.TopicPartitionOffset[] = []): void {
    const from = new Map(starts.map(start => [nameOf(start), start]))
    this.#assignment.add(partitions.map(partition => from.get(nameOf(partition)) ?? partition))
    this.#assignment.startAt(starts)
    this.#on.assigned()
  }
}
