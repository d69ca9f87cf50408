-- The message at whose mark the process died last; what was suspected before is forgotten.
alter table crash_guard add column suspect text;
update crash_guard set suspicion = 0;
