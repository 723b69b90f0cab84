import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { onDatabase, withClient } from './postgres-server.ts';

/** A migrated and empty database for one test file. */
export interface TestDatabase {
  readonly connectionString: string;
  /** Removes the database, even while connections are open. */
  drop(): Promise<void>;
}

/**
 * Copies the template that the global setup has migrated. A copy takes tens of milliseconds. Calls may run at
 * the same time.
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
