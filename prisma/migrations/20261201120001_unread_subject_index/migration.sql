-- What a visit reads and nothing else: archived, snoozed and expired notifications about a subject are not walked through.
CREATE INDEX CONCURRENTLY IF NOT EXISTS "notification_unread_subject_idx"
    ON "notification"("tenant_id", "user_id", "subject_id", "seq")
    WHERE "subject_id" IS NOT NULL AND "status" = 'DELIVERED' AND "read_at" IS NULL AND "archived_at" IS NULL
        AND "snoozed_until" IS NULL;
