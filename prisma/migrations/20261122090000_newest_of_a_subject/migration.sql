-- A visit reads the newest unread notifications about its subject, so many and no more: the index has them in that order.
DROP INDEX "notification_subject_idx";
CREATE INDEX "notification_subject_idx" ON "notification"("tenant_id", "user_id", "subject_id", "seq")
    WHERE "subject_id" IS NOT NULL AND "read_at" IS NULL;
