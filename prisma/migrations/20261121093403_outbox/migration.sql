-- AlterTable. What stood beside the record, so that it can be put back as it was.
ALTER TABLE "dead_letter" ADD COLUMN     "headers" JSONB NOT NULL DEFAULT '{}';

-- CreateTable. The id is the order in which records are sent. It is given before the commit, so a smaller one may appear
-- later; nobody remembers how far they have come, and what was sent is deleted by its id.
CREATE TABLE "outbox" (
    "id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "topic" TEXT NOT NULL,
    "key" TEXT,
    "value" BYTEA,
    "headers" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "outbox_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "dead_letter_tenant_id_failed_at_id_idx" ON "dead_letter"("tenant_id", "failed_at", "id");
