import { defineConfig } from 'prisma/config';

// The client generator needs no schema engine, and migrations are applied by src/adapters/postgres/server/migrate.ts.
// Without this every CLI call tries to download that engine; `false` makes `prisma migrate` fail loudly instead.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= '/bin/false';

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
});
