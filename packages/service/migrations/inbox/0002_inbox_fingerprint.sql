-- drizzle: 07151eeebe560b69e7b5d2bfac975ffbdf784bd0107b96cd4350f4d76cbecdb0 (0001_inbox_fingerprint)

-- Tells another event with the same source and id from the same one that comes again; null in older rows.
alter table inbox add column fingerprint text;
