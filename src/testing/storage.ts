import pg from 'pg';
import { type ConnectionOptions, connect, type Database } from '../adapters/postgres/connection.ts';
import { createPostgresStore } from '../adapters/postgres/store.ts';
import type { Store } from '../ports/store/store.ts';
import { createTestDatabase } from './database.ts';

/** A database of its own with what stands on it, and a way to look in from outside. */
export interface TestStorage {
  readonly connection: ConnectionOptions & { readonly connectionString: string };
  readonly database: Database;
  readonly store: Store;
  /** Asks the database on connections that none of the code under test uses. */
  query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** A pool as another process would have it; closed with the storage. */
  connectAnew(): Database;
  close(): Promise<void>;
}

export async function openTestStorage(): Promise<TestStorage> {
  const testDatabase = await createTestDatabase();
  const connection = { connectionString: testDatabase.connectionString };
  const outside = new pg.Pool({ ...connection, max: 2, application_name: 'outside' });
  outside.on('error', () => {});
  const opened: Database[] = [];
  const connectAnew = () => {
    const database = connect(connection, { maxConnections: 5 });
    opened.push(database);
    return database;
  };
  const database = connectAnew();
  return {
    connection,
    database,
    store: createPostgresStore(database),
    query: async <Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []) =>
      (await outside.query<Row>(sql, [...values])).rows,
    connectAnew,
    async close() {
      await Promise.all(opened.map((one) => one.close()));
      await outside.end();
      await testDatabase.drop();
    },
  };
}
