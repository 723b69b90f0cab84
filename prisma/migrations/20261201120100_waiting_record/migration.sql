-- CreateTable
CREATE TABLE "waiting_record" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "topic" TEXT NOT NULL,
    "partition" INTEGER NOT NULL,
    "offset" BIGINT NOT NULL,
    "key" TEXT,
    "headers" JSONB NOT NULL,
    "value" BYTEA NOT NULL,
    "appended_at" TIMESTAMPTZ(3) NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL,
    "deadline_at" TIMESTAMPTZ(3) NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "waiting_record_pkey" PRIMARY KEY ("tenant_id","user_id","topic","partition","offset")
);

-- CreateIndex
CREATE INDEX "waiting_record_due_at_idx" ON "waiting_record"("due_at");
