-- A database for each service, that no other service can read. Run once, when the volume is new.
CREATE ROLE user_service LOGIN PASSWORD 'user';
CREATE DATABASE user_service OWNER user_service;
REVOKE CONNECT ON DATABASE user_service FROM PUBLIC;

CREATE ROLE profile_service LOGIN PASSWORD 'profile';
CREATE DATABASE profile_service OWNER profile_service;
REVOKE CONNECT ON DATABASE profile_service FROM PUBLIC;
