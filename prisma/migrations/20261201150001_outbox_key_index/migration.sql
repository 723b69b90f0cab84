-- As of dead letters.
CREATE INDEX CONCURRENTLY IF NOT EXISTS "outbox_key_idx" ON "outbox" USING HASH ("key");
