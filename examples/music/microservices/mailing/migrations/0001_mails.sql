-- A mail to each user. The consumer adds a row in the transaction of its inbox; the sender sends what has an address.
create table mails (
  user_id uuid primary key,
  event_id text not null,
  -- Null as soon as the mail is sent or refused: nothing needs them any more.
  email text,
  username text,
  -- What a dead letter names, and the log.
  origin jsonb not null,
  trace_id text,
  attempts int not null default 0,
  due_at timestamptz not null default now(),
  sent_at timestamptz,
  refusal text,
  dead_lettered_at timestamptz
);

create index mails_to_be_sent on mails (due_at) where email is not null;
create index mails_to_be_dead_lettered on mails (due_at) where refusal is not null and dead_lettered_at is null;
