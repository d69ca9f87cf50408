-- drizzle: 15275c3afd63d10f8fbf4654de8740faf63c447892ebce5f2f0c13b88964dc1e (0001_users_in_any_collation)

-- "I" and "i" are one letter, whatever the collation of the database says (in Turkish they are two): both columns hold ASCII.
-- On a large table, make the two new indexes by hand with "create unique index concurrently", so that no registration waits
-- here. While that runs, and where it has failed (a name that is there twice), there is an index that keeps nothing unique yet.
do $$ declare unfinished text := (select string_agg(indexrelid::regclass::text, ', ') from pg_index where indrelid = 'users'::regclass and not indisvalid); begin
  if unfinished is not null then raise exception 'not a valid index: %. Wait until it is made, or drop it', unfinished; end if;
end $$;

-- Told without the values, which the error of an index would write into PostgreSQL's log.
do $$ declare twice text := concat_ws(' and ',
  (select 'emails' where exists (select from users group by lower(email collate "C") having count(*) > 1)),
  (select 'usernames' where exists (select from users group by lower(username collate "C") having count(*) > 1))); begin
  if twice <> '' then raise exception 'there are % that differ only in case: rename all but one of each', twice; end if;
end $$;

create unique index if not exists users_email_c_key on users (lower(email collate "C"));
create unique index if not exists users_username_c_key on users (lower(username collate "C"));
drop index users_email_key, users_username_key;
alter index users_email_c_key rename to users_email_key;
alter index users_username_c_key rename to users_username_key;
