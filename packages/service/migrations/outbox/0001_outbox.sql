-- drizzle: 70362e2c51b7f7d34db538ac019f7acfe7665aea4425da7f9db465725396a556 (0000_users_and_outbox)

-- Events that are stored and not yet acknowledged by the broker. The first six columns are those of Debezium's outbox event
-- router (with route.by.field=type), so that change data capture can take the relay's place without a migration.
-- https://debezium.io/documentation/reference/stable/transformations/outbox-event-router.html
create table outbox (
  id uuid primary key,             -- of the event
  aggregatetype text not null,
  aggregateid text not null,       -- key of the message: events of one aggregate keep their order within a topic
  type text not null,              -- topic of the message
  payload text not null,           -- value of the message: the event as JSON
  traceparent text,
  created_at timestamptz not null default now(),
  claimed_at timestamptz,          -- unused since 0002; a later version drops it, when none that reads it can run beside it
  parked text                      -- why the broker refuses it for good; set it to null to have it sent again
);

create index outbox_aggregateid on outbox (aggregateid);
create index outbox_created_at on outbox (created_at, id);
