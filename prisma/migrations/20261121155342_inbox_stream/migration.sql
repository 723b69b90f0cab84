-- AlterTable. The inboxes that exist share 0: those that come after an erasure begin beyond it.
ALTER TABLE "inbox" ADD COLUMN "first_version" BIGINT NOT NULL DEFAULT 0;

-- CreateIndex
CREATE INDEX "inbox_change_changed_at_idx" ON "inbox_change" USING BRIN ("changed_at");
