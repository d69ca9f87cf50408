-- One row for each partition that was ever assigned: whether it makes progress, and which message was being handled alone
-- when the process died. See src/crash-guard/crash-guard.ts.
create table crash_guard (
  topic text not null,
  partition integer not null,
  position bigint not null,
  assignments integer not null default 1,
  owner uuid not null,
  message text,
  weight integer not null default 0,
  -- The message at whose mark a process died last, and the latest such process.
  suspect text,
  suspicion integer not null default 0,
  died_owner uuid,
  primary key (topic, partition)
);
