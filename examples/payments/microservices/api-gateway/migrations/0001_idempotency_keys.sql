create table idempotency_keys (
  user_id uuid not null,
  key text not null,
  -- SHA-256 of what was asked for: the same key with something else is an error of the caller.
  fingerprint text not null,
  payment_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (user_id, key)
);

create index idempotency_keys_created_at on idempotency_keys (created_at);
