-- CreateEnum
CREATE TYPE "notification_status" AS ENUM ('DELIVERED', 'SUPPRESSED');

-- CreateEnum
CREATE TYPE "severity" AS ENUM ('LOW', 'NORMAL', 'HIGH', 'CRITICAL');

-- CreateTable
CREATE TABLE "app_user" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "time_zone" TEXT NOT NULL DEFAULT 'UTC',
    "can_receive_notifications" BOOLEAN NOT NULL DEFAULT true,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "app_user_pkey" PRIMARY KEY ("tenant_id", "user_id")
);

-- CreateTable. One index serves dedupe, lists and stats: with the name included, stats never touch the rows.
-- The partitions (page_view_2026_11, …) are created by the worker, the next month's ahead of time.
CREATE TABLE "page_view" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "occurred_at" TIMESTAMPTZ(3) NOT NULL,
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "path" TEXT,
    "subject_id" TEXT,
    "received_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "page_view_pkey" PRIMARY KEY ("tenant_id", "user_id", "occurred_at", "id") INCLUDE ("name")
) PARTITION BY RANGE ("occurred_at");

-- CreateTable. Rewritten on every arrival: room on the page keeps the updates heap-only.
CREATE TABLE "inbox" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "unseen" INTEGER NOT NULL DEFAULT 0,
    "unread" INTEGER NOT NULL DEFAULT 0,
    "last_seq" BIGINT NOT NULL DEFAULT 0,
    "opened_seq" BIGINT NOT NULL DEFAULT 0,
    "version" BIGINT NOT NULL DEFAULT 0,
    "last_opened_at" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "inbox_pkey" PRIMARY KEY ("tenant_id", "user_id"),
    CONSTRAINT "inbox_counts" CHECK ("unseen" >= 0 AND "unread" >= 0 AND "opened_seq" <= "last_seq")
) WITH (fillfactor = 70);

-- CreateTable
CREATE TABLE "inbox_opening" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "up_to_seq" BIGINT NOT NULL,
    "opened_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "inbox_opening_pkey" PRIMARY KEY ("tenant_id", "user_id", "up_to_seq")
);

-- CreateTable
CREATE TABLE "notification" (
    "tenant_id" TEXT NOT NULL,
    "id" UUID NOT NULL,
    "user_id" TEXT NOT NULL,
    "seq" BIGINT,
    "status" "notification_status" NOT NULL,
    "category" TEXT NOT NULL,
    "severity" "severity" NOT NULL,
    "title" TEXT NOT NULL,
    "body" TEXT,
    "data" JSONB,
    "action_url" TEXT,
    "subject_id" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "delivered_at" TIMESTAMPTZ(3),

    CONSTRAINT "notification_pkey" PRIMARY KEY ("tenant_id", "id"),
    CONSTRAINT "notification_delivered" CHECK (("status" = 'DELIVERED') = ("seq" IS NOT NULL AND "delivered_at" IS NOT NULL))
);

-- CreateTable
CREATE TABLE "processed_event" (
    "tenant_id" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,
    "processed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "processed_event_pkey" PRIMARY KEY ("tenant_id", "source", "event_id")
);

-- CreateTable
CREATE TABLE "idempotency_key" (
    "tenant_id" TEXT NOT NULL,
    "caller" TEXT NOT NULL,
    "mutation" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotency_key_pkey" PRIMARY KEY ("tenant_id", "caller", "mutation", "key")
);

-- CreateTable
CREATE TABLE "dead_letter" (
    "tenant_id" TEXT NOT NULL,
    "id" UUID NOT NULL,
    "topic" TEXT NOT NULL,
    "partition" INTEGER NOT NULL,
    "offset" BIGINT NOT NULL,
    "key" TEXT,
    "payload" BYTEA NOT NULL,
    "error_code" TEXT NOT NULL,
    "error_message" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL,
    "failed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "dead_letter_pkey" PRIMARY KEY ("tenant_id", "id")
);

-- CreateTable
CREATE TABLE "event_log" (
    "offset" BIGINT NOT NULL,
    "topic" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "value" TEXT,
    "appended_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "event_log_pkey" PRIMARY KEY ("offset")
);

-- CreateTable. Always exactly one row.
CREATE TABLE "log_head" (
    "id" INTEGER NOT NULL,
    "head" BIGINT NOT NULL,

    CONSTRAINT "log_head_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "log_head_one" CHECK ("id" = 1)
) WITH (fillfactor = 10);
INSERT INTO "log_head" ("id", "head") VALUES (1, 0);

-- CreateTable
CREATE TABLE "log_position" (
    "consumer_group" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "log_position_pkey" PRIMARY KEY ("consumer_group")
) WITH (fillfactor = 10);

-- CreateIndex
CREATE UNIQUE INDEX "notification_tenant_id_user_id_seq_key" ON "notification"("tenant_id", "user_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "dead_letter_tenant_id_topic_partition_offset_key" ON "dead_letter"("tenant_id", "topic", "partition", "offset");
