-- CreateTable. The first start writes the row: a process that is told of another log is refused, since nobody would read
-- what it appends there.
CREATE TABLE "log_in_use" (
    "id" INTEGER NOT NULL,
    "kind" TEXT NOT NULL,
    "namespace" TEXT NOT NULL,

    CONSTRAINT "log_in_use_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "log_in_use_one" CHECK ("id" = 1),
    CONSTRAINT "log_in_use_kind" CHECK ("kind" IN ('postgres', 'kafka'))
);
