-- CreateTable. Rewritten by every event: room on the page keeps the updates heap-only.
CREATE TABLE "user_limit" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "user_limit_id" TEXT NOT NULL,
    "brand_id" TEXT NOT NULL,
    "currency_code" TEXT,
    "type" TEXT NOT NULL,
    "period" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "active_from" TIMESTAMPTZ(3),
    "active_until" TIMESTAMPTZ(3),
    "value" DECIMAL,
    "stated_previous" DECIMAL,
    "initial_progress" DECIMAL,
    "definition_sequence" BIGINT,
    "definition_event" TEXT,
    "earlier_value" DECIMAL,
    "earlier_sequence" BIGINT,
    "earlier_event" TEXT,
    "previous_progress" DECIMAL,
    "amount" DECIMAL,
    "remaining" DECIMAL,
    "change_sequence" BIGINT,
    "change_event" TEXT,
    "last_reset_at" TIMESTAMPTZ(3),
    "last_reset_value" DECIMAL,
    "last_reset_sequence" BIGINT,
    "last_reset_event" TEXT,
    "next_reset_at" TIMESTAMPTZ(3),
    "next_reset_sequence" BIGINT,
    "next_reset_event" TEXT,
    "told_percent" INTEGER,
    "told_sequence" BIGINT,
    "version" BIGINT NOT NULL,
    "due_at" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "user_limit_pkey" PRIMARY KEY ("tenant_id","user_id","user_limit_id"),
    CONSTRAINT "user_limit_amounts" CHECK ("value" >= 0 AND "previous_progress" >= 0 AND "amount" >= 0)
) WITH (fillfactor = 70);

-- CreateTable
CREATE TABLE "user_limit_event" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "user_limit_id" TEXT NOT NULL,
    "sequence_number" BIGINT NOT NULL,
    "source" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "occurred_at" TIMESTAMPTZ(3) NOT NULL,
    "progress_after" DECIMAL,
    "raw" TEXT NOT NULL,

    CONSTRAINT "user_limit_event_pkey" PRIMARY KEY ("tenant_id","user_id","user_limit_id","sequence_number","source","event_id")
);

-- CreateIndex
CREATE INDEX "user_limit_tenant_id_user_limit_id_idx" ON "user_limit"("tenant_id", "user_limit_id");

-- CreateIndex. Partial: most limits never change by time.
CREATE INDEX "user_limit_due_at_idx" ON "user_limit"("due_at") WHERE "due_at" IS NOT NULL;
