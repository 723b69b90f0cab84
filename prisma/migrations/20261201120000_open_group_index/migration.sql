-- The newest notification of a group that another may join, found at once however many the group has had.
CREATE INDEX CONCURRENTLY IF NOT EXISTS "notification_open_group_idx"
    ON "notification"("tenant_id", "user_id", "group_key", "seq")
    WHERE "group_key" IS NOT NULL AND "status" = 'DELIVERED' AND "seen_at" IS NULL AND "archived_at" IS NULL
        AND "snoozed_until" IS NULL;
