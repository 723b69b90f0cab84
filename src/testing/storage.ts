import pg from 'pg';
import { type ConnectionOptions, connect, type Database } from '../adapters/postgres/connection.ts';
import { createPostgresStore } from '../adapters/postgres/store.ts';
import type { Store } from '../ports/store/store.ts';
import { createTestDatabase } from './database.ts';

/** A new database with its pool and store, and a query function for tests. */
export interface TestStorage {
  readonly connection: ConnectionOptions & { readonly connectionString: string };
  readonly database: Database;
  readonly store: Store;
  /** Queries the database on connections that the code under test does not use. */
  query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Returns another pool, as another process would have it. `close` closes this pool too. */
  connectAgain(): Database;
  close(): Promise<void>;
}

export async function openTestStorage(): Promise<TestStorage> {
  const testDatabase = await createTestDatabase();
  const connection = { connectionString: testDatabase.connectionString };
  const outside = new pg.Pool({ ...connection, max: 2, application_name: 'outside' });
  outside.on('error', () => {});
  const opened: Database[] = [];
  const connectAgain = () => {
    const database = connect(connection, { maxConnections: 5 });
    opened.push(database);
    return database;
  };
  const database = connectAgain();
  return {
    connection,
    database,
    store: createPostgresStore(database),
    query: async <Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []) =>
      (await outside.query<Row>(sql, [...values])).rows,
    connectAgain,
    async close() {
      await Promise.all(opened.map((one) => one.close()));
      await outside.end();
      await testDatabase.drop();
    },
  };
}
