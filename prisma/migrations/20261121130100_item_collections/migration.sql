-- CreateTable. One row for however many watch the collection.
CREATE TABLE "item_collection" (
    "tenant_id" TEXT NOT NULL,
    "collection" TEXT NOT NULL,
    "version" BIGINT NOT NULL DEFAULT 0,
    "counted_from" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "item_collection_pkey" PRIMARY KEY ("tenant_id","collection")
) WITH (fillfactor = 70);

-- CreateTable
CREATE TABLE "item" (
    "tenant_id" TEXT NOT NULL,
    "collection" TEXT NOT NULL,
    "item_id" TEXT NOT NULL,
    "title" TEXT,
    "published_at" TIMESTAMPTZ(3) NOT NULL,
    "views_from" TIMESTAMPTZ(3) NOT NULL,
    "retracted_at" TIMESTAMPTZ(3),

    CONSTRAINT "item_pkey" PRIMARY KEY ("tenant_id","collection","item_id")
);

-- CreateTable. With the moment included, counts never touch the rows.
CREATE TABLE "item_view" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "collection" TEXT NOT NULL,
    "item_id" TEXT NOT NULL,
    "viewed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "item_view_pkey" PRIMARY KEY ("tenant_id","user_id","collection","item_id") INCLUDE ("viewed_at")
);

-- CreateTable
CREATE TABLE "item_viewer" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "collection" TEXT NOT NULL,
    "version" BIGINT NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "item_viewer_pkey" PRIMARY KEY ("tenant_id","user_id","collection")
) WITH (fillfactor = 70);

-- CreateIndex. Pages of a collection, and what counts in it; what was retracted is in neither.
CREATE INDEX "item_published_idx" ON "item" ("tenant_id", "collection", "published_at", "item_id") INCLUDE ("views_from")
WHERE "retracted_at" IS NULL;

-- CreateIndex. For removing expired views: those of a time lie together.
CREATE INDEX "item_view_viewed_at_idx" ON "item_view" USING BRIN ("viewed_at");
