-- AlterEnum. Not used below: a value may be used only after the transaction that adds it.
ALTER TYPE "notification_status" ADD VALUE 'SCHEDULED';
ALTER TYPE "notification_status" ADD VALUE 'CANCELED';
ALTER TYPE "notification_status" ADD VALUE 'EXPIRED';

-- AlterTable
ALTER TABLE "inbox" ADD COLUMN "change_seq" BIGINT NOT NULL DEFAULT 0;

-- AlterTable. What was delivered has a place, what was suppressed has none; what expired has one if it ever arrived.
ALTER TABLE "notification"
    ADD COLUMN "seen_at" TIMESTAMPTZ(3),
    ADD COLUMN "read_at" TIMESTAMPTZ(3),
    ADD COLUMN "archived_at" TIMESTAMPTZ(3),
    ADD COLUMN "snoozed_until" TIMESTAMPTZ(3),
    ADD COLUMN "scheduled_for" TIMESTAMPTZ(3),
    ADD COLUMN "expires_at" TIMESTAMPTZ(3),
    ADD COLUMN "due_at" TIMESTAMPTZ(3),
    ADD COLUMN "group_key" TEXT,
    ADD COLUMN "group_count" INTEGER NOT NULL DEFAULT 1,
    DROP CONSTRAINT "notification_delivered",
    ADD CONSTRAINT "notification_delivered" CHECK (CASE "status"
        WHEN 'DELIVERED' THEN "seq" IS NOT NULL AND "delivered_at" IS NOT NULL
        WHEN 'SUPPRESSED' THEN "seq" IS NULL
        ELSE ("seq" IS NULL) = ("delivered_at" IS NULL)
    END);

-- CreateTable
CREATE TABLE "inbox_change" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "change_seq" BIGINT NOT NULL,
    "last_seq" BIGINT NOT NULL,
    "action" TEXT NOT NULL,
    "ids" UUID[],
    "from_seq" BIGINT,
    "to_seq" BIGINT,
    "changed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "inbox_change_pkey" PRIMARY KEY ("tenant_id","user_id","change_seq")
);

-- CreateIndex. Partial, so that a notification without any of these costs nothing: what is due next, the group another may
-- join, what a visit makes read, what is still to come.
CREATE INDEX "notification_due_at_idx" ON "notification"("due_at") WHERE "due_at" IS NOT NULL;
CREATE INDEX "notification_group_idx" ON "notification"("tenant_id", "user_id", "group_key")
    WHERE "group_key" IS NOT NULL AND "read_at" IS NULL;
CREATE INDEX "notification_subject_idx" ON "notification"("tenant_id", "user_id", "subject_id")
    WHERE "subject_id" IS NOT NULL AND "read_at" IS NULL;
CREATE INDEX "notification_scheduled_idx" ON "notification"("tenant_id", "user_id", "scheduled_for")
    WHERE "scheduled_for" IS NOT NULL AND "seq" IS NULL;
