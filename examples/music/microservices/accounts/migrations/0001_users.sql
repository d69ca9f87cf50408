create table users (
  id uuid primary key,
  username text not null,
  email text not null,
  -- scrypt with its parameters and salt, never the password: users/password.ts
  password_hash text not null,
  created_at timestamptz not null default now()
);

create unique index users_username_key on users (lower(username collate "C"));
create unique index users_email_key on users (lower(email collate "C"));
