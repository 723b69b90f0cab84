-- AlterTable
ALTER TABLE "notification" ADD COLUMN     "suppressed_reason" TEXT;

-- CreateTable
CREATE TABLE "notification_preference" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "category" TEXT NOT NULL,
    "enabled" BOOLEAN NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "notification_preference_pkey" PRIMARY KEY ("tenant_id","user_id","category")
);

-- CreateTable
CREATE TABLE "version_floor" (
    "tenant_id" TEXT NOT NULL,
    "version" BIGINT NOT NULL,

    CONSTRAINT "version_floor_pkey" PRIMARY KEY ("tenant_id")
);
