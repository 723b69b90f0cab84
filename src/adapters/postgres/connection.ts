import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { Prisma, PrismaClient } from './generated/client.ts';

/** Where the database is, as `pg` takes it: a connection string, or a socket directory or host with the rest. */
export type ConnectionOptions = Pick<
  pg.ClientConfig,
  'connectionString' | 'host' | 'port' | 'user' | 'database' | 'ssl'
>;

/** A statement, a wait for a lock and an idle transaction end after these, so that nothing holds others up for long. */
export const timeouts = {
  statement_timeout: 5_000,
  lock_timeout: 2_000,
  idle_in_transaction_session_timeout: 10_000,
} as const;

/** Notices a server that is gone without a goodbye, and gives up on one that accepts and does not answer. */
export const liveness = {
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  connectionTimeoutMillis: 5_000,
} as const;

/** Longer than the server's own timeouts, so that it decides only when the server is silent. */
export const silenceMs = 8_000;

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
    ...liveness,
    query_timeout: silenceMs,
    max: options.maxConnections,
    application_name: 'unseen',
    // Prisma's adapter writes times without an offset and reads them without regard to it: right only in UTC, which
    // the server, the database or the role may not have as their default.
    onConnect: (client) => client.query(`SET TIME ZONE 'UTC'`),
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
