import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { Prisma, PrismaClient } from './generated/client.ts';

/** Where the database is, as `pg` takes it: a connection string, or a socket directory or host with the rest. */
export type ConnectionOptions = Pick<
  pg.ClientConfig,
  'connectionString' | 'host' | 'port' | 'user' | 'database'
>;

/** A statement, a wait for a lock and an idle transaction end after these, so that nothing holds others up for long. */
export const timeouts = {
  statement_timeout: 5_000,
  lock_timeout: 2_000,
  idle_in_transaction_session_timeout: 10_000,
} as const;

export interface Database {
  readonly prisma: PrismaClient;
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

/** What runs SQL: the client, or a transaction of it. */
export type Sql = Pick<Prisma.TransactionClient, '$queryRaw' | '$executeRaw'>;

/** One pool of connections, shared by Prisma and by whoever speaks to Postgres directly. */
export function connect(
  connection: ConnectionOptions,
  options: { readonly maxConnections: number },
): Database {
  const pool = new pg.Pool({
    ...connection,
    ...timeouts,
    max: options.maxConnections,
    connectionTimeoutMillis: 5_000,
    application_name: 'unseen',
  });
  // An idle connection that breaks is replaced by the pool; without a listener the event would end the process.
  pool.on('error', () => {});
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, { statementNameGenerator: createStatementNames() }),
    transactionOptions: { maxWait: 5_000, timeout: 15_000 },
  });
  return {
    prisma,
    pool,
    async close() {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

/** Names for prepared statements: our statements are few and fixed, so each is planned once per connection. */
function createStatementNames(): (query: { readonly sql: string }) => string {
  const names = new Map<string, string>();
  return ({ sql }) => {
    let statement = names.get(sql);
    if (statement === undefined) {
      statement = `unseen_${names.size}`;
      names.set(sql, statement);
    }
    return statement;
  };
}
