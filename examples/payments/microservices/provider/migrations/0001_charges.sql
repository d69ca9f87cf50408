create table charges (
  idempotency_key text primary key,
  id uuid not null,
  amount bigint not null,
  currency text not null,
  created_at timestamptz not null default now()
);
