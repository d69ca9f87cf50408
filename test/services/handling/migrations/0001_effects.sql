-- An effect that happens twice has two rows.
create table effects (event text not null);

create table dependency (is_up boolean not null);
insert into dependency values (true);
