import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from './generated/client.ts';
import { isReadOnly, Session } from './session.ts';
import { createWriteHealth, type WriteHealth } from './write-health.ts';

/**
 * Where the database is, in the form that `pg` accepts: a connection string, or a host (or the directory of a
 * socket) and the other fields.
 */
export type ConnectionOptions = Pick<
  pg.ClientConfig,
  'connectionString' | 'host' | 'port' | 'user' | 'database' | 'ssl'
>;

/**
 * PostgreSQL ends a statement, a wait for a lock or an idle transaction after these times, in ms, so that
 * none of them blocks others for long.
 */
export const timeouts = {
  statement_timeout: 5_000,
  lock_timeout: 2_000,
  idle_in_transaction_session_timeout: 10_000,
} as const;

/**
 * Detects a server that vanished without closing the connection, and gives up on a server that accepts a
 * connection but does not answer.
 */
export const liveness = {
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  connectionTimeoutMillis: 5_000,
} as const;

// Prisma's adapter writes times without an offset, and ignores the offset when it reads them. This is correct
// only in UTC, which may not be the default of the server, the database or the role.
// Every statement uses an index whatever its parameters are. Planning a statement again for each set of
// parameters takes longer than running it.
const sessionSql = `SET TIME ZONE 'UTC'; SET plan_cache_mode = force_generic_plan`;

/**
 * How long a statement may stay without an answer, in ms. It is longer than the server's own timeouts, so it
 * takes effect only if the server is silent.
 */
export const silenceMs = 8_000;

export interface Database {
  readonly prisma: PrismaClient;
  readonly pool: pg.Pool;
  /** Whether writes succeed. Every writer reports its writes here. */
  readonly writes: WriteHealth;
  close(): Promise<void>;
}

/** Opens one pool of connections for Prisma and for the code that queries PostgreSQL directly. */
export function connect(
  connection: ConnectionOptions,
  options: { readonly maxConnections: number },
): Database {
  const pool = new pg.Pool({
    ...connection,
    ...timeouts,
    ...liveness,
    query_timeout: silenceMs,
    // Sends statements of a transaction together if they do not wait for each other's results.
    pipeline: true,
    max: options.maxConnections,
    Client: Session,
    application_name: 'unseen',
    // Counters and sequences have 64 bits. By default pg returns them as strings.
    types: {
      getTypeParser: (oid, format) =>
        oid === pg.types.builtins.INT8 ? BigInt : pg.types.getTypeParser(oid, format),
    },
    onConnect: (client) => client.query(sessionSql),
  });
  // The pool replaces a broken connection, and the running query rejects. Without a listener the error event
  // would end the process.
  pool.on('error', () => {});
  const sessions = new Set<Session>();
  pool.on('connect', (client: pg.ClientBase) => {
    client.on('error', () => {});
    sessions.add(client as Session);
  });
  pool.on('remove', (client: pg.ClientBase) => sessions.delete(client as Session));
  const writes = createWriteHealth({
    isReadOnly: () => askNewSession(connection),
    onWritable: () => renew(pool, sessions),
  });
  pool.on('release', (_, client: pg.ClientBase) => {
    const session = client as Session;
    if (session.refusedWrite) writes.suspect();
    // The pool replaces a session that ends.
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

/** Replaces the open sessions of the pool. Idle sessions end at once, the others when they are released. */
function renew(pool: pg.Pool, sessions: ReadonlySet<Session>): void {
  for (const session of sessions) session.retire();
  for (let idle = pool.idleCount; idle > 0; idle -= 1)
    void pool.connect().then(
      (client) => client.release(),
      () => {},
    );
}

/**
 * Whether the database refuses writes. Asks in a new session, because open sessions may be older than a
 * failover.
 */
async function askNewSession(connection: ConnectionOptions): Promise<boolean> {
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
