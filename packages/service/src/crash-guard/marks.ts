import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import type { Message } from '@pair/kafka'

// With a new owner, a set mark means that the previous owner died while handling that message: its weight is added to the
// suspicion. No mark means that the suspect did not cause a death, so the suspicion decreases by 1. Exception: if the previous
// owner died at the mark of another partition, this partition's suspect was never handled, and its suspicion stays.
const assignSql = `
  insert into crash_guard as known (topic, partition, position, owner) values ($1, $2, $3, $4)
  on conflict (topic, partition) do update set
    position = excluded.position,
    assignments = case when known.position = excluded.position then known.assignments + 1 else 1 end,
    owner = excluded.owner,
    suspicion = case
      when known.owner = excluded.owner then known.suspicion
      when known.weight = 0 and exists (
        select from crash_guard as other where other.died_owner = known.owner or (other.owner = known.owner and other.weight > 0)
      ) then known.suspicion
      when known.weight = 0 then greatest(known.suspicion - 1, 0)
      when known.suspect = known.message then known.suspicion + known.weight
      else known.weight end,
    suspect = case when known.owner = excluded.owner or known.weight = 0 then known.suspect else known.message end,
    died_owner = case when known.owner = excluded.owner or known.weight = 0 then known.died_owner else known.owner end,
    weight = case when known.owner = excluded.owner then known.weight else 0 end
  returning assignments, suspect, suspicion`

// Only for the owner: a process that has lost the partition must not change the next owner's mark.
const markSql = 'update crash_guard set message = $4, weight = $5 where topic = $1 and partition = $2 and owner = $3'

// A process that survived the suspect clears the suspicion even if it no longer owns the partition.
const clearSql = `
  update crash_guard set
    weight = case when owner = $3 and message = $4 then 0 else weight end,
    suspicion = case when suspect = $4 then 0 else suspicion end
  where topic = $1 and partition = $2 and (owner = $3 or suspect = $4)`

interface Assigned { assignments: number, suspect: string | null, suspicion: number }

/** This process's statements on the table crash_guard. */
export class Marks {
  readonly #pool: Pick<Pool, 'query'>
  readonly #owner = randomUUID()

  constructor (pool: Pick<Pool, 'query'>) {
    this.#pool = pool
  }

  /** Records the assignment of a partition that begins at this message. */
  async assigned ({ topic, partition, offset }: Message): Promise<Assigned> {
    const { rows: [row] } = await this.#pool.query<Assigned>(assignSql, [topic, partition, offset, this.#owner])
    return row as Assigned
  }

  async set (message: Message, weight: number): Promise<void> {
    await this.#pool.query(markSql, [message.topic, message.partition, this.#owner, idOf(message), weight])
  }

  /** Removes the mark and the suspicion: the handler has ended or is no longer observed, and the process is alive. */
  async clear (message: Message): Promise<void> {
    await this.#pool.query(clearSql, [message.topic, message.partition, this.#owner, idOf(message)])
  }
}

/** Offset and timestamp, because a topic that was deleted and created again reuses offsets. */
export function idOf ({ offset, timestamp }: Message): string {
  return `${offset}@${timestamp}`
}
