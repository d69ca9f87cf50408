create table payments (
  id uuid primary key,
  user_id uuid not null,
  amount bigint not null,
  currency text not null,
  status text not null default 'pending' check (status in ('pending', 'processed', 'declined')),
  reason text,
  charge_id text,
  traceparent text,
  created_at timestamptz not null default now(),
  -- When a worker may claim the payment. A claim moves it into the future: that is the lease of the claim.
  claimable_at timestamptz not null default now(),
  -- Number of claims. Only the newest claim may change the row, so a worker that was frozen cannot undo what another one did.
  claims int not null default 0,
  -- Since when auth has answered each question with "unknown user".
  unknown_since timestamptz
);

create index payments_pending on payments (claimable_at) where status = 'pending';
