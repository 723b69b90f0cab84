import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import type { SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { migrate, migrationsDirectory } from '../src/adapters/postgres/server/migrate.ts';
import { onDatabase, withClient } from '../src/testing/postgres-server.ts';
import { openSchemaEngine, readMigrations } from './schema-engine.ts';

const schemaFile = fileURLToPath(new URL('../prisma/schema.prisma', import.meta.url));
const migrationsList = readMigrations(migrationsDirectory);
const names = migrationsList.migrationDirectories.map(({ path }) => path);
const filters = { externalTables: [], externalEnums: [] };
const server = inject('postgres').connectionString;
const database = `unseen_engine_${randomBytes(6).toString('hex')}`;
const connectionString = onDatabase(server, database);

let engine: SchemaEngine;

beforeEach(async () => {
  await withClient(server, (admin) => admin.query(`CREATE DATABASE ${database}`));
  // The engine keeps the lock of the migrations until the pool closes its idle connection.
  const adapter = new PrismaPg({ connectionString, idleTimeoutMillis: 10 });
  engine = await openSchemaEngine(withWholeScripts(adapter), schemaFile);
});

afterEach(async () => {
  engine.free();
  await withClient(server, (admin) => admin.query(`DROP DATABASE ${database} WITH (FORCE)`));
});

/**
 * Makes the adapter send a script in one piece. The adapter splits a script at each semicolon, even in the
 * body of a function. Prisma's command line does not use this adapter, and its engine also sends a migration
 * in one piece.
 */
function withWholeScripts(adapter: PrismaPg): PrismaPg {
  const connect = adapter.connect.bind(adapter);
  return Object.assign(adapter, {
    async connect() {
      const connection = await connect();
      return Object.assign(connection, {
        executeScript: async (sql: string) => {
          await connection.executeRaw({ sql, args: [], argTypes: [] });
        },
      });
    },
  });
}

describe('migrate and the engine behind `prisma migrate deploy`', () => {
  it('agree on the migrations that our migrator has applied', async () => {
    await withClient(connectionString, (client) => migrate(client, { directory: migrationsDirectory }));
    expect(await engine.applyMigrations({ migrationsList, filters })).toEqual({ appliedMigrationNames: [] });
    const diagnosis = await engine.diagnoseMigrationHistory({
      migrationsList,
      filters,
      optInToShadowDatabase: false,
    });
    expect(diagnosis).toMatchObject({
      history: null,
      editedMigrationNames: [],
      failedMigrationNames: [],
      hasMigrationsTable: true,
    });
  });

  it('agree on the migrations that the engine has applied', async () => {
    expect(await engine.applyMigrations({ migrationsList, filters })).toEqual({
      appliedMigrationNames: names,
    });
    const report = await withClient(connectionString, (client) =>
      migrate(client, { directory: migrationsDirectory }),
    );
    expect(report).toEqual({ applied: [], unknown: [] });
  });
});
