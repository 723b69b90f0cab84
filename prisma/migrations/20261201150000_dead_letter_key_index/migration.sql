-- What is about a user who is erased, found by the key of the log. A hash, since others choose keys and their length.
CREATE INDEX CONCURRENTLY IF NOT EXISTS "dead_letter_key_idx" ON "dead_letter" USING HASH ("key");
