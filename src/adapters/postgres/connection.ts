import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from './generated/client.ts';
import { isReadOnly, Session } from './session.ts';
import { createWriteHealth, type WriteHealth } from './write-health.ts';

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

// Prisma's adapter writes times without an offset and reads them without regard to it: right only in UTC, which the
// server, the database or the role may not have as their default. Every statement finds its rows by index, whatever its
// parameters; to plan it anew for each set of them takes longer than to run it.
const sessionSql = `SET TIME ZONE 'UTC'; SET plan_cache_mode = force_generic_plan`;

/** Longer than the server's own timeouts, so that it decides only when the server is silent. */
export const silenceMs = 8_000;

export interface Database {
  readonly prisma: PrismaClient;
  readonly pool: pg.Pool;
  /** Whether writes succeed; who writes has them noted. */
  readonly writes: WriteHealth;
  close(): Promise<void>;
}

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
    // Statements of a transaction that do not wait for each other's answers travel together.
    pipeline: true,
    max: options.maxConnections,
    Client: Session,
    application_name: 'unseen',
    // Counters and sequences are 64 bits wide; pg would hand them over as strings.
    types: {
      getTypeParser: (oid, format) =>
        oid === pg.types.builtins.INT8 ? BigInt : pg.types.getTypeParser(oid, format),
    },
    onConnect: (client) => client.query(sessionSql),
  });
  // A connection that breaks is replaced by the pool, and the query under way rejects; without a listener the event would
  // end the process.
  pool.on('error', () => {});
  const sessions = new Set<Session>();
  pool.on('connect', (client: pg.ClientBase) => {
    client.on('error', () => {});
    sessions.add(client as Session);
  });
  pool.on('remove', (client: pg.ClientBase) => sessions.delete(client as Session));
  const writes = createWriteHealth({
    isReadOnly: () => askAnew(connection),
    onWritable: () => renew(pool, sessions),
  });
  pool.on('release', (_, client: pg.ClientBase) => {
    const session = client as Session;
    if (session.refusedWrite) writes.suspect();
    // The pool opens a new one instead of one that is ending.
    if (session.isSpent) void session.end();
  });
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool),
  });
  return {
    prisma,
    pool,
    writes,
    async close() {
      writes.close();
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

/** Has the pool open new sessions instead of those that are open: idle ones at once, others when they are released. */
function renew(pool: pg.Pool, sessions: ReadonlySet<Session>): void {
  for (const session of sessions) session.retire();
  for (let idle = pool.idleCount; idle > 0; idle -= 1)
    void pool.connect().then(
      (client) => client.release(),
      () => {},
    );
}

/** Whether the database refuses writes, by a session of its own: sessions that are open may be of a time before a failover. */
async function askAnew(connection: ConnectionOptions): Promise<boolean> {
  const session = new Session({
    ...connection,
    ...liveness,
    query_timeout: liveness.connectionTimeoutMillis,
    application_name: 'unseen health',
  });
  session.on('error', () => {});
  try {
    await session.connect();
    return await isReadOnly(session);
  } finally {
    void session.end();
  }
}
