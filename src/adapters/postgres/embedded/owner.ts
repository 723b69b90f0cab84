import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { AppError } from '../../../domain/error.ts';
import { isRunning } from './postmaster.ts';

/**
 * The key of the advisory lock that represents the claim. Any number is possible, because no other code takes
 * advisory locks in the database `postgres` of an embedded server.
 */
const lockKey = 1;

const namePrefix = 'unseen owner, pid ';

/**
 * The address of the embedded server. The server asks for no password, because other accounts cannot enter
 * the directory.
 */
export interface SocketAddress {
  /** The directory of the unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

/**
 * Logs in to the database `postgres`. The name of the session tells later starts which process owns the
 * directory. Rejects with the error of the server or the socket while the server is not ready.
 */
export async function login(address: SocketAddress): Promise<pg.Client> {
  const client = new pg.Client({
    ...address,
    database: 'postgres',
    application_name: `${namePrefix}${process.pid}`,
    // This overrides PGSSLMODE of the environment, because unix sockets do not support TLS.
    ssl: false,
    connectionTimeoutMillis: 5000,
  });
  // A broken connection emits `error`. Without a listener that event would end the process. Callers listen
  // for `end`.
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
 * Makes the session of this connection the only owner of the directory. The claim ends with the session, so a
 * process that dies leaves nothing to clean up. Rejects with START_REFUSED while another process owns the
 * directory.
 */
export async function claim(client: pg.Client, dataDir: string): Promise<void> {
  // After an owner was killed, the server may need a moment to notice that and to release its claim. So this
  // retries for up to 5 s if the process that holds the claim is dead.
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
