-- drizzle: 49bc9f71710a3da8228746054c4fac74fcc758201144baacf75461597639e2b5 (0000_profiles_and_inbox)

-- Email and username are not unique here: whether they are is for the user service to say, and a rule of ours would turn its
-- events into dead letters.
create table profiles (
  user_id uuid primary key,
  email text not null,
  username text not null,
  created_at timestamptz not null default now()
);
