import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { AppError } from '../../../domain/error.ts';
import { isRunning } from './postmaster.ts';

/** Any number will do: nothing else takes advisory locks in the database `postgres` of an embedded server. */
const lockKey = 1;

const namePrefix = 'unseen owner, pid ';

/** Where the embedded server listens. There is no password: the directory is closed to others. */
export interface SocketAddress {
  /** The directory of the unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

/**
 * One login to the database `postgres`, under a name that tells later starts who owns the directory. Rejects
 * with the server's or the socket's error while the server is not ready.
 */
export async function login(address: SocketAddress): Promise<pg.Client> {
  const client = new pg.Client({
    ...address,
    database: 'postgres',
    application_name: `${namePrefix}${process.pid}`,
    // Said here so that PGSSLMODE in the environment has no say; unix sockets know no TLS.
    ssl: false,
    connectionTimeoutMillis: 5000,
  });
  // A connection that breaks emits `error`; unheard it would end the process. Who cares listens for `end`.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
  return client;
}

/**
 * Makes this connection's session the one owner of the directory. The claim ends with the session, so however
 * the process dies, nothing has to be cleaned up.
 *
 * Rejects with START_REFUSED while another process owns it.
 */
export async function claim(client: pg.Client, dataDir: string): Promise<void> {
  // The server may need a moment to notice that a killed owner is gone, so a claim of the dead is waited for.
  const deadline = performance.now() + 5000;
  for (;;) {
    const { rows } = await client.query<{ claimed: boolean }>('SELECT pg_try_advisory_lock($1) AS claimed', [
      lockKey,
    ]);
    if (rows[0]?.claimed === true) return;
    const owner = await ownerPid(client);
    if ((owner !== undefined && isRunning(owner)) || performance.now() > deadline) {
      throw new AppError(
        'START_REFUSED',
        `Another Unseen process (pid ${owner ?? 'unknown'}) uses the data directory ${dataDir}. ` +
          'Stop that process, set DATA_DIR to another directory, or start with --ephemeral.',
      );
    }
    await delay(10);
  }
}

async function ownerPid(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ application_name: string }>(
    `SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = $1
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [lockKey],
  );
  const name = rows[0]?.application_name;
  return name?.startsWith(namePrefix) ? Number(name.slice(namePrefix.length)) : undefined;
}
