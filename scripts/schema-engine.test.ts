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
  // The engine keeps the lock of the migrations until its connection is closed, which the pool does when it
  // is idle.
  const adapter = new PrismaPg({ connectionString, idleTimeoutMillis: 10 });
  engine = await openSchemaEngine(withWholeScripts(adapter), schemaFile);
});

afterEach(async () => {
  engine.free();
  await withClient(server, (admin) => admin.query(`DROP DATABASE ${database} WITH (FORCE)`));
});

/**
 * The adapter cuts a script at each semicolon, in the body of a function, too. The command line of Prisma does not use it:
 * its engine sends a migration in one piece, and so does this.
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
  it('agree on what our migrator has applied', async () => {
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

  it('agree on what the engine has applied', async () => {
    expect(await engine.applyMigrations({ migrationsList, filters })).toEqual({
      appliedMigrationNames: names,
    });
    const report = await withClient(connectionString, (client) =>
      migrate(client, { directory: migrationsDirectory }),
    );
    expect(report).toEqual({ applied: [], unknown: [] });
  });
});
