-- AlterTable. Progress is read by the value that was in force when it was made, however often the limit was defined anew
-- since; and a reset at the same place as the progress that a user was told of stands before or behind it by its id.
ALTER TABLE "user_limit" ADD COLUMN "older" JSONB,
ADD COLUMN "told_event" TEXT;

-- CreateIndex. Partial: finds the definition in force at an event among any number that are none.
CREATE INDEX "user_limit_event_definition_idx" ON "user_limit_event"("tenant_id", "user_id", "user_limit_id", "type", "sequence_number")
WHERE "type" <> 'USER_LIMIT_PROGRESS_CHANGED';
