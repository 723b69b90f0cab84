import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from './generated/client.ts';
import { isReadOnly, Session } from './session.ts';
import { createWriteHealth, type WriteHealth } from './write-health.ts';

/**
 * The address of the database in the form that `pg` accepts: a connection string, or separate fields such as
 * the host. The host may be the directory of a unix socket.
 */
export type ConnectionOptions = Pick<
  pg.ClientConfig,
  'connectionString' | 'host' | 'port' | 'user' | 'database' | 'ssl'
>;

/**
 * After these times, in ms, PostgreSQL ends a statement, a wait for a lock or an idle transaction. So none of
 * them blocks other sessions for long.
 */
export const timeouts = {
  statement_timeout: 5_000,
  lock_timeout: 2_000,
  idle_in_transaction_session_timeout: 10_000,
} as const;

/**
 * Settings that detect a server that vanished without closing the connection, and a server that accepts a
 * connection but does not answer.
 */
export const liveness = {
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  connectionTimeoutMillis: 5_000,
} as const;

// Prisma's adapter writes times without an offset, and ignores the offset when it reads times. Both are
// correct only if the session uses UTC, which may not be the default of the server, the database or the role.
// A generic plan does not depend on the parameters. Every statement has one plan that uses an index for all
// parameters, and planning a statement again takes longer than running it.
const sessionSql = `SET TIME ZONE 'UTC'; SET plan_cache_mode = force_generic_plan`;

/**
 * The maximum time, in ms, that a statement waits for an answer of the server. This time is longer than the
 * server's own timeouts, so it matters only if the server does not answer at all.
 */
export const silenceMs = 8_000;

export interface Database {
  readonly prisma: PrismaClient;
  readonly pool: pg.Pool;
  /** Tells whether writes succeed. All code that writes reports the outcome here. */
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
    // Sends several statements of a transaction at once if none of them needs the result of another.
    pipeline: true,
    max: options.maxConnections,
    Client: Session,
    application_name: 'unseen',
    // Counters and sequences have 64 bits. By default pg returns such numbers as strings.
    types: {
      getTypeParser: (oid, format) =>
        oid === pg.types.builtins.INT8 ? BigInt : pg.types.getTypeParser(oid, format),
    },
    onConnect: (client) => client.query(sessionSql),
  });
  // If a connection breaks, the pool replaces it and the running query rejects. Without a listener the error
  // event would end the process.
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
    // The pool opens a new session instead of a session that ends.
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

/**
 * Ends the open sessions of the pool, so that the pool opens new sessions. Idle sessions end at once.
 * Sessions in use end when they are released.
 */
function renew(pool: pg.Pool, sessions: ReadonlySet<Session>): void {
  for (const session of sessions) session.retire();
  for (let idle = pool.idleCount; idle > 0; idle -= 1)
    void pool.connect().then(
      (client) => client.release(),
      () => {},
    );
}

/**
 * Whether the database refuses writes. Opens a new session to find out, because open sessions may be older
 * than a failover.
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
