-- Creates three logins, each with only the rights that it needs. Run this file as the owner of the database before the
-- first start, and after every `unseen migrate` that creates tables. You can run this file any number of times.
--
--   psql "$ADMIN_URL" -v api_password=… -v worker_password=… -v migrations_password=… -f prisma/roles.sql
--
-- unseen_migrations  DATABASE_URL of `unseen migrate`. Owns the tables. No other login may change them.
-- unseen_worker      DATABASE_URL of processes with ROLES=worker. Applies events.
-- unseen_api         DATABASE_URL of processes with ROLES=api. Reads, appends to the log, and writes changes by users.
--
-- If you give no password for a login, its password does not change.

DO $$
DECLARE
  login text;
BEGIN
  FOREACH login IN ARRAY ARRAY['unseen_migrations', 'unseen_worker', 'unseen_api'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN
      EXECUTE format('CREATE ROLE %I LOGIN', login);
    END IF;
  END LOOP;
END
$$;

\if :{?migrations_password}
  ALTER ROLE unseen_migrations PASSWORD :'migrations_password';
\endif
\if :{?worker_password}
  ALTER ROLE unseen_worker PASSWORD :'worker_password';
\endif
\if :{?api_password}
  ALTER ROLE unseen_api PASSWORD :'api_password';
\endif

GRANT USAGE, CREATE ON SCHEMA public TO unseen_migrations;
GRANT USAGE ON SCHEMA public TO unseen_worker, unseen_api;

-- The default rights for tables and functions of later migrations. unseen_api may only read such tables.
ALTER DEFAULT PRIVILEGES FOR ROLE unseen_migrations REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE unseen_migrations IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO unseen_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE unseen_migrations IN SCHEMA public GRANT USAGE ON SEQUENCES TO unseen_worker, unseen_api;
ALTER DEFAULT PRIVILEGES FOR ROLE unseen_migrations IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO unseen_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE unseen_migrations IN SCHEMA public GRANT SELECT ON TABLES TO unseen_api;

-- The API writes changes by users, and the log if it is a table. If one of these tables does not exist yet, run this file
-- again after the migration that creates the table.
DO $$
DECLARE
  written regclass;
BEGIN
  FOR written IN
    SELECT to_regclass(format('public.%I', name))
    FROM unnest(ARRAY['app_user', 'inbox', 'inbox_opening', 'inbox_change', 'notification', 'notification_preference',
      'user_limit', 'user_limit_event', 'version_floor', 'idempotency_key', 'dead_letter', 'outbox', 'event_log', 'log_head',
      'item_collection', 'item', 'waiting_record']) AS name
    WHERE to_regclass(format('public.%I', name)) IS NOT NULL
  LOOP
    EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %s TO unseen_api', written);
  END LOOP;
END
$$;

-- To erase a user, the API deletes rows from tables that otherwise only workers write. It inserts into processed_event to
-- record that a change of a limit through the API was applied.
DO $$
DECLARE
  erased regclass;
BEGIN
  FOR erased IN
    SELECT to_regclass(format('public.%I', name)) FROM unnest(ARRAY['page_view', 'item_view', 'early_item_view', 'item_viewer']) AS name
    WHERE to_regclass(format('public.%I', name)) IS NOT NULL
  LOOP
    EXECUTE format('GRANT DELETE ON %s TO unseen_api', erased);
  END LOOP;
  IF to_regclass('public.processed_event') IS NOT NULL THEN
    GRANT INSERT ON processed_event TO unseen_api;
  END IF;
  -- The first start records to which log the database belongs.
  IF to_regclass('public.log_in_use') IS NOT NULL THEN
    GRANT INSERT ON log_in_use TO unseen_api;
  END IF;
  IF to_regclass('public.user_activity') IS NOT NULL THEN
    GRANT DELETE ON user_activity, user_activity_member TO unseen_api;
  END IF;
END
$$;
