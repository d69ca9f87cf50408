import { query } from '@pair/dev'
import type { Events } from './events.js'
import type { Load } from './load.js'
import type { Wire } from './wire.js'

export interface Seen {
  /** Of the emails of this campaign's users. */
  readonly domain: string
  readonly users: { direct: string }
  readonly profiles: { direct: string }
  readonly wire: Wire
  readonly load: Load
  readonly events: Pick<Events, 'bad' | 'users' | 'unsure' | 'unknown'>
}

/** Counts how often an event had its effect, whatever the service thinks of it. */
export const countEffects = `
  create table effects (user_id uuid not null);
  create function count_effect() returns trigger language plpgsql as $$ begin insert into effects values (coalesce(new.user_id, old.user_id)); return null; end $$;
  create trigger count_effects after insert or update or delete on profiles for each row execute function count_effect()`

/** What does not hold: one line for each kind, with the first of those concerned. Nothing where the promises hold. */
export async function judge ({ domain, users, profiles, wire, load, events }: Seen): Promise<string[]> {
  const ours = [`%@${domain}`]
  const stored = idsOf(await query(users.direct, 'select id from users where email like $1', ours))
  const made = idsOf(await query(profiles.direct, 'select user_id as id from profiles where email like $1', ours))
  const twice = idsOf(await query(profiles.direct, 'select user_id as id from effects join profiles using (user_id) where email like $1 group by user_id having count(*) > 1', ours))
  const [marks] = await query(profiles.direct, 'select (select count(*) from profiles) - (select count(*) from inbox) as missing')
  const outbox = idsOf(await query(users.direct, 'select aggregateid as id from outbox'))
  const lag = await wire.lag()
  await wire.readLetters()
  const expected = new Set([...stored, ...events.users])
  const letters = new Set(wire.letters.keys())
  const unexpected = minus(letters, events.bad)
  return [
    load.registered.size > 0 ? '' : 'no registration was answered 201',
    line('answered 201, and not stored', minus(load.registered, stored)),
    line('registered, and without a profile', minus(expected, made)),
    line('with a profile, and never registered', minus(made, new Set([...expected, ...events.unsure]))),
    line('whose event had its effect twice', twice),
    Number(marks?.['missing']) <= 0 ? '' : `profiles whose event is not marked as seen: ${marks?.['missing']}`,
    line('whose event is still in the outbox', outbox),
    line('bad events without a dead letter (partition@offset)', minus(events.bad, letters)),
    // An event whose sending failed may be on the topic all the same.
    unexpected.size <= events.unknown ? '' : line('dead letters of events that were good (partition@offset)', unexpected),
    lag === 0 ? '' : `lag of the group: ${lag}`,
    ...load.violations
  ].filter(Boolean)
}

const idsOf = (rows: Array<Record<string, unknown>>) => new Set(rows.map(({ id }) => String(id)))

const minus = (all: ReadonlySet<string>, others: ReadonlySet<string>) => new Set([...all].filter(one => !others.has(one)))

const line = (what: string, whom: ReadonlySet<string>) => whom.size === 0 ? '' : `${what}: ${whom.size}: ${[...whom].slice(0, 20).join(', ')}`
