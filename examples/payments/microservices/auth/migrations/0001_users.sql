create table users (
  id uuid primary key,
  name text not null,
  email text not null,
  created_at timestamptz not null default now()
);

-- Ignores case, in any collation of the database.
create unique index users_email_key on users (lower(email collate "C"));

-- Sign-ups that were accepted (202) and then refused, because another user has the email.
create table refused_sign_ups (
  id uuid primary key,
  refused_at timestamptz not null default now()
);
