-- CreateEnum
CREATE TYPE "granularity" AS ENUM ('DAY', 'HOUR', 'MINUTE');

-- CreateTable. Rewritten by every flush: room on the page keeps the updates heap-only.
CREATE TABLE "user_activity_metrics" (
    "tenant_id" TEXT NOT NULL,
    "granularity" "granularity" NOT NULL,
    "bucket_start" TIMESTAMPTZ(3) NOT NULL,
    "unique_users" INTEGER NOT NULL,
    "page_view_count" BIGINT NOT NULL,
    "version" BIGINT NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "user_activity_metrics_pkey" PRIMARY KEY ("tenant_id","granularity","bucket_start")
) WITH (fillfactor = 70);

-- CreateTable
CREATE TABLE "user_activity_type" (
    "tenant_id" TEXT NOT NULL,
    "granularity" "granularity" NOT NULL,
    "bucket_start" TIMESTAMPTZ(3) NOT NULL,
    "activity_type" TEXT NOT NULL,
    "count" BIGINT NOT NULL,

    CONSTRAINT "user_activity_type_pkey" PRIMARY KEY ("tenant_id","granularity","bucket_start","activity_type")
) WITH (fillfactor = 70);

-- CreateTable
CREATE TABLE "user_activity_member" (
    "tenant_id" TEXT NOT NULL,
    "granularity" "granularity" NOT NULL,
    "bucket_start" TIMESTAMPTZ(3) NOT NULL,
    "user_id" TEXT NOT NULL,

    CONSTRAINT "user_activity_member_pkey" PRIMARY KEY ("tenant_id","granularity","bucket_start","user_id")
) PARTITION BY RANGE ("bucket_start");

-- CreateTable
CREATE TABLE "user_activity" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "occurred_at" TIMESTAMPTZ(3) NOT NULL,
    "id" UUID NOT NULL,
    "activity_type" TEXT NOT NULL,

    CONSTRAINT "user_activity_pkey" PRIMARY KEY ("tenant_id","user_id","occurred_at","id")
) PARTITION BY RANGE ("occurred_at");

-- CreateTable
CREATE TABLE "counted_event" (
    "tenant_id" TEXT NOT NULL,
    "id" UUID NOT NULL,
    "processed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "counted_event_pkey" PRIMARY KEY ("tenant_id","id")
);

-- Workers make and drop partitions without owning the tables: both functions run with the rights of whoever migrates, and
-- know no other tables. Neither waits for a lock long enough to be felt by whoever queues behind it.
CREATE FUNCTION create_activity_partition(parent text, month date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '1s'
AS $$
DECLARE
  partition text := parent || '_' || to_char(month, 'YYYY_MM');
BEGIN
  IF parent NOT IN ('user_activity', 'user_activity_member') THEN
    RAISE EXCEPTION 'no partitions are made of %', parent;
  END IF;
  -- Two workers may come here together, and IF NOT EXISTS is no lock.
  PERFORM pg_advisory_xact_lock(hashtext(partition));
  IF to_regclass(format('%I', partition)) IS NOT NULL THEN
    RETURN;
  END IF;
  -- Attached rather than created in place, which would lock out every reader and writer of the table.
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition, parent);
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition,
    month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
END
$$;

-- The partitions of a table that end at or before a moment, by the month in their names.
CREATE FUNCTION old_partitions(parent text, before timestamptz) RETURNS SETOF text
  LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
  SELECT name FROM (
    SELECT relname::text AS name, to_date(right(relname, 7), 'YYYY_MM') + interval '1 month' AS ends
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = to_regclass(format('%I', parent))
  ) AS partition
  WHERE ends AT TIME ZONE 'UTC' <= before ORDER BY name
$$;

-- All of them in one statement; their names.
CREATE FUNCTION drop_old_partitions(parent text, before timestamptz) RETURNS text[]
  LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '1s'
AS $$
DECLARE
  names text[] := ARRAY(SELECT old_partitions(parent, before));
BEGIN
  IF parent NOT IN ('page_view', 'user_activity', 'user_activity_member') THEN
    RAISE EXCEPTION 'no partitions are dropped of %', parent;
  END IF;
  IF cardinality(names) > 0 THEN
    EXECUTE 'DROP TABLE ' || (SELECT string_agg(format('%I', name), ', ') FROM unnest(names) AS name);
  END IF;
  RETURN names;
END
$$;
