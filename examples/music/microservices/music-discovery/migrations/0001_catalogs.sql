-- The module user-catalog: the music of a user.
create table catalogs (
  id uuid primary key,
  user_id uuid not null unique,
  username text not null
);

create table playlists (
  catalog_id uuid not null references catalogs,
  id uuid not null,
  name text not null,
  is_public boolean not null,
  songs jsonb not null,
  primary key (catalog_id, id)
);

-- The module playlist-catalog: what is offered to everybody. It refers to no table of the other module.
create table public_playlists (
  catalog_id uuid not null,
  id uuid not null,
  name text not null,
  songs jsonb not null,
  updated_at timestamptz not null,
  primary key (catalog_id, id)
);

create index public_playlists_updated_at on public_playlists (updated_at desc);
