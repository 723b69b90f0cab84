import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { onDatabase, withClient } from './postgres-server.ts';

/** A database for one test file, migrated and empty. */
export interface TestDatabase {
  readonly connectionString: string;
  /** Removes it, connections that are still open included. */
  drop(): Promise<void>;
}

/**
 * Copies the template the global setup migrated; takes tens of milliseconds, and any number may be made at
 * once.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { connectionString, template } = inject('postgres');
  const name = `${template}_${randomBytes(6).toString('hex')}`;
  await withClient(connectionString, (client) =>
    client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`),
  );
  return {
    connectionString: onDatabase(connectionString, name),
    drop: () =>
      withClient(connectionString, async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }),
  };
}
