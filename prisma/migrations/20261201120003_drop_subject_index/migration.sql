-- Nothing reads it any more.
DROP INDEX CONCURRENTLY IF EXISTS "notification_subject_idx";
