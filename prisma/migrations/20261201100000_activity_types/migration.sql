-- The activity types that a tenant counts by name. Types beyond the cap count as `other`.
CREATE TABLE "activity_type" (
    "tenant_id" TEXT NOT NULL,
    "activity_type" TEXT NOT NULL,
    "first_seen_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "activity_type_pkey" PRIMARY KEY ("tenant_id","activity_type")
);

-- The types in use keep their names: of each tenant the 200 that were counted most, which is the default cap.
INSERT INTO "activity_type"
SELECT tenant_id, activity_type, now() FROM (
  SELECT tenant_id, activity_type, row_number() OVER (PARTITION BY tenant_id ORDER BY sum(count) DESC, activity_type) AS place
  FROM "user_activity_type" WHERE granularity = 'DAY' AND activity_type NOT IN ('page_view', 'other') GROUP BY 1, 2
) AS used WHERE place <= 200;
