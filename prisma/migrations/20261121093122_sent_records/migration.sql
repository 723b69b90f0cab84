-- AlterTable. What is sent to other systems: any bytes, with headers, and perhaps without a key; an event has a key.
ALTER TABLE "event_log" ADD COLUMN     "headers" JSONB,
ADD COLUMN     "raw" BYTEA,
ALTER COLUMN "key" DROP NOT NULL,
ADD CONSTRAINT "event_log_event_has_key" CHECK ("key" IS NOT NULL OR "headers" IS NOT NULL);
