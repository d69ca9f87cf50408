-- drizzle: 70362e2c51b7f7d34db538ac019f7acfe7665aea4425da7f9db465725396a556 (0000_users_and_outbox)

create table users (
  id uuid primary key,
  email text not null,
  username text not null,
  created_at timestamptz not null
);

create unique index users_email_key on users (lower(email));
create unique index users_username_key on users (lower(username));
