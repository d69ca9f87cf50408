-- drizzle: 49bc9f71710a3da8228746054c4fac74fcc758201144baacf75461597639e2b5 (0000_profiles_and_inbox)

-- Events whose effect is stored. Each row is written in the transaction of the effect, so that an event which comes again is
-- recognised if, and only if, its effect is there. CloudEvents promises that source and id together name one event.
create table inbox (
  source text not null,
  id text not null,
  seen_at timestamptz not null default now(),
  constraint inbox_source_id_pk primary key (source, id)
);

create index inbox_seen_at on inbox (seen_at);
