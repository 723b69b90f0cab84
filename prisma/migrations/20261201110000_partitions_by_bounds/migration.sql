-- CreateTable. A row per kind of old data: when a sweep of it was first tried, and when it last succeeded.
CREATE TABLE "sweep" (
    "kind" TEXT NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL,
    "succeeded_at" TIMESTAMPTZ(3),

    CONSTRAINT "sweep_pkey" PRIMARY KEY ("kind")
);

-- The ranges that the partitions of a table cover, by their bounds and never by their names: an operator may make, rename,
-- move and detach partitions. A default partition has no range. The bounds are read first and parsed afterwards, and only
-- those of this table: the planner may otherwise parse the bounds of every table in the database.
CREATE FUNCTION partition_ranges(parent text) RETURNS TABLE (partition oid, starts timestamptz, ends timestamptz)
  LANGUAGE sql STABLE SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
  WITH bound AS MATERIALIZED (
    SELECT pg_class.oid AS partition,
      regexp_match(pg_get_expr(relpartbound, pg_class.oid), '^FOR VALUES FROM \((.+)\) TO \((.+)\)$') AS edges
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = to_regclass(format('%I', parent)) AND NOT inhdetachpending
  )
  SELECT partition,
    CASE edges[1] WHEN 'MINVALUE' THEN '-infinity' ELSE btrim(edges[1], '''')::timestamptz END,
    CASE edges[2] WHEN 'MAXVALUE' THEN 'infinity' ELSE btrim(edges[2], '''')::timestamptz END
  FROM bound WHERE edges IS NOT NULL
$$;

-- The partitions of a table that end at or before a moment, oldest first, as SQL names them. A foreign table is an archive
-- that an operator attached, and stays.
CREATE OR REPLACE FUNCTION old_partitions(parent text, before timestamptz) RETURNS SETOF text
  LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
  SELECT format('%I.%I', nspname, relname)
  FROM partition_ranges(parent) JOIN pg_class ON pg_class.oid = partition JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE ends <= before AND relkind <> 'f' ORDER BY starts
$$;

-- Drops one of them, if it still is one. One statement per partition: one that cannot be dropped holds up no other.
CREATE FUNCTION drop_old_partition(parent text, partition text, before timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '1s'
AS $$
BEGIN
  IF parent NOT IN ('page_view', 'user_activity', 'user_activity_member') THEN
    RAISE EXCEPTION 'no partitions are dropped of %', parent;
  END IF;
  IF partition IN (SELECT old_partitions(parent, before)) THEN
    EXECUTE 'DROP TABLE ' || partition;
  END IF;
END
$$;

-- For processes of the version before, while this one is rolled out.
CREATE OR REPLACE FUNCTION drop_old_partitions(parent text, before timestamptz) RETURNS text[]
  LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '1s'
AS $$
DECLARE
  names text[] := ARRAY(SELECT old_partitions(parent, before));
BEGIN
  IF parent NOT IN ('page_view', 'user_activity', 'user_activity_member') THEN
    RAISE EXCEPTION 'no partitions are dropped of %', parent;
  END IF;
  IF cardinality(names) > 0 THEN
    EXECUTE 'DROP TABLE ' || array_to_string(names, ', ');
  END IF;
  RETURN names;
END
$$;

-- Makes the partition of a month, unless others cover a part of it: then the month is the operator's. A name that is taken,
-- as by a partition that was detached, is not needed for anything.
CREATE FUNCTION create_month_partition(parent text, month date) RETURNS void
  LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
  month_starts timestamptz := month::timestamp AT TIME ZONE 'UTC';
  month_ends timestamptz := (month + interval '1 month')::timestamp AT TIME ZONE 'UTC';
  usual text := parent || '_' || to_char(month, 'YYYY_MM');
  partition text := usual;
  n int := 1;
BEGIN
  -- Two workers may come here together, and IF NOT EXISTS is no lock.
  PERFORM pg_advisory_xact_lock(hashtext(usual));
  IF EXISTS (SELECT FROM partition_ranges(parent) AS other WHERE other.starts < month_ends AND other.ends > month_starts) THEN
    RETURN;
  END IF;
  WHILE to_regclass(format('%I', partition)) IS NOT NULL LOOP
    n := n + 1;
    partition := usual || '_' || n;
  END LOOP;
  -- Attached rather than created in place, which would lock out every reader and writer of the table.
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition, parent);
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition, month_starts, month_ends);
EXCEPTION
  -- A default partition holds rows of the month: it has room for more of them.
  WHEN check_violation THEN RETURN;
END
$$;

CREATE OR REPLACE FUNCTION create_activity_partition(parent text, month date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '1s'
AS $$
BEGIN
  IF parent NOT IN ('user_activity', 'user_activity_member') THEN
    RAISE EXCEPTION 'no partitions are made of %', parent;
  END IF;
  PERFORM create_month_partition(parent, month);
END
$$;

CREATE OR REPLACE FUNCTION create_page_view_partition(month date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '1s'
AS $$
BEGIN
  PERFORM create_month_partition('page_view', month);
END
$$;
