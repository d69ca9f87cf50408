import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import type { Message } from '@pair/kafka'

// Another owner than before: a mark that is set was set at a death, and its weight is added to the suspicion. Where none is
// set, the death was none of the suspect's doing, or there was none. Only where that owner died at another partition's mark
// this one's suspect is none the better for it: it had no turn.
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

// Of the owner alone: who has lost the partition meanwhile must not speak for the next one.
const markSql = 'update crash_guard set message = $4, weight = $5 where topic = $1 and partition = $2 and owner = $3'

// Who has survived the suspect may say so without owning the partition.
const clearSql = `
  update crash_guard set
    weight = case when owner = $3 and message = $4 then 0 else weight end,
    suspicion = case when suspect = $4 then 0 else suspicion end
  where topic = $1 and partition = $2 and (owner = $3 or suspect = $4)`

interface Assigned { assignments: number, suspect: string | null, suspicion: number }

/** The rows of the table crash_guard, as this process writes them. */
export class Marks {
  readonly #pool: Pick<Pool, 'query'>
  readonly #owner = randomUUID()

  constructor (pool: Pick<Pool, 'query'>) {
    this.#pool = pool
  }

  /** A partition was assigned, and its first message is this one. */
  async assigned ({ topic, partition, offset }: Message): Promise<Assigned> {
    const { rows: [row] } = await this.#pool.query<Assigned>(assignSql, [topic, partition, offset, this.#owner])
    return row as Assigned
  }

  async set (message: Message, weight: number): Promise<void> {
    await this.#pool.query(markSql, [message.topic, message.partition, this.#owner, idOf(message), weight])
  }

  /** It was handled, or is not handled any more, and the process is alive: nothing is held against it. */
  async clear (message: Message): Promise<void> {
    await this.#pool.query(clearSql, [message.topic, message.partition, this.#owner, idOf(message)])
  }
}

/** The timestamp too: a topic that was made anew has its offsets again. */
export function idOf ({ offset, timestamp }: Message): string {
  return `${offset}@${timestamp}`
}
