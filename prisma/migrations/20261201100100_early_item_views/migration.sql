-- Views of items that were not published when the view was kept. The view itself is in item_view, as any other.
CREATE TABLE "early_item_view" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "collection" TEXT NOT NULL,
    "item_id" TEXT NOT NULL,
    "kept_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "early_item_view_pkey" PRIMARY KEY ("tenant_id","user_id","collection","item_id")
);

-- For the sweep, which passes the old ones.
CREATE INDEX "early_item_view_kept_at_idx" ON "early_item_view" ("kept_at");
