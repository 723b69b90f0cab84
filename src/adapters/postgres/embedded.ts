import { createHash } from 'node:crypto';
import { chmodSync, chownSync, lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { AppError } from '../../domain/error.ts';
import { type Account, canReach, serverAccount } from './embedded-account.ts';
import { findBinaries } from './embedded-binaries.ts';
import { type Cluster, ensureCluster, launch, type Server } from './embedded-cluster.ts';
import { claim, login, type SocketAddress } from './embedded-owner.ts';
import { dropStaleLock, isRunning, livePostmaster } from './embedded-postmaster.ts';
import { createTemporaryDirectory, temporaryRoot } from './embedded-temporary.ts';

/** Where the data lives, and who wants to know when it goes away. */
export type EmbeddedPostgresOptions = (
  | { readonly ephemeral?: false; readonly dataDir: string }
  | { readonly ephemeral: true; readonly dataDir?: string }
) & {
  /**
   * Called once, with the reason, when the server or our ownership of it is lost while running. Nothing is restarted
   * here; calling `startEmbeddedPostgres` again brings back the same data at the same address.
   */
  readonly onLost?: (reason: string) => void;
};

/** A running PostgreSQL that belongs to this process. */
export interface EmbeddedPostgres {
  /** Where clients connect: no password, no TCP. `host` is the directory of the unix socket. */
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
  };
  /** Whether the server was already running, left by a process that was killed. */
  readonly attached: boolean;
  /**
   * Shuts the server down, open transactions are rolled back, and resolves when it is gone (ephemeral: its directory
   * too). Repeated calls are one. After `onLost` the server is left alone, since it may have a new owner.
   */
  stop(): Promise<void>;
}

const port = 5432;
const database = 'unseen';
const clusterName = 'postgres';

/** How long a server may stay silent, or take to shut down, before we stop being polite. */
const patienceMs = 30_000;

/**
 * Starts the PostgreSQL that comes with the npm package, or takes over the one a killed process left running, and
 * resolves when the database `unseen` exists and a login succeeded.
 *
 * `dataDir` keeps cluster, socket and log; one process at a time may own it. With `ephemeral` everything is in a temporary
 * directory that disappears with the process, however that ends, and does not survive a crash of the machine.
 *
 * Rejects with START_REFUSED, saying what to do, when another process owns the directory, when it cannot be used, or when
 * this platform has no embedded PostgreSQL.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  if (options.ephemeral !== true) {
    const dataDir = resolve(options.dataDir);
    return start({ dataDir, durable: true, end: shutDown, onLost: options.onLost }).catch(
      (error: unknown) => {
        throw asRefusal(error, dataDir);
      },
    );
  }
  const temporary = createTemporaryDirectory(serverAccount(), join(clusterName, 'postmaster.pid'));
  const dataDir = temporary.directory;
  try {
    return await start({ dataDir, durable: false, end: temporary.remove, onLost: options.onLost });
  } catch (error) {
    await temporary.remove();
    throw asRefusal(error, dataDir);
  }
}

interface Plan {
  readonly dataDir: string;
  readonly durable: boolean;
  end(cluster: Cluster): Promise<void>;
  readonly onLost: ((reason: string) => void) | undefined;
}

async function start({ dataDir, durable, end, onLost }: Plan): Promise<EmbeddedPostgres> {
  const { cluster, socketDirectory } = await prepare(dataDir, durable);
  const address = { host: socketDirectory, port, user: 'postgres' };
  await ensureCluster(cluster);
  const { owner, attached } = await connect(cluster, address, join(dataDir, 'postgres.log'));
  try {
    await claim(owner, dataDir);
  } catch (error) {
    await owner.end();
    throw error;
  }
  try {
    await ensureDatabase(owner);
  } catch (error) {
    await end(cluster);
    throw error;
  }

  let lost = false;
  let stopped: Promise<void> | undefined;
  let reason = 'The connection to the embedded PostgreSQL ended.';
  owner.on('error', (error) => {
    reason = error.message;
  });
  owner.once('end', () => {
    if (stopped !== undefined) return;
    lost = true;
    onLost?.(reason);
  });
  return {
    connection: { ...address, database },
    attached,
    stop() {
      // The claim is held until the server is gone, so nobody can take over a server that is going down.
      stopped ??= (lost && durable ? Promise.resolve() : end(cluster)).then(() => owner.end());
      return stopped;
    },
  };
}

/** Everything that has to be there before the server can be. */
async function prepare(
  dataDir: string,
  durable: boolean,
): Promise<{ cluster: Cluster; socketDirectory: string }> {
  const account = serverAccount(join(dataDir, clusterName));
  mkdirSync(dirname(dataDir), { recursive: true });
  // Root's stays root's, open to pass through, since what is in it is closed; so there is no moment between two steps.
  mkdirSync(dataDir, { recursive: true, mode: account ? 0o755 : 0o700 });
  const home = realpathSync(dataDir);
  const directory = join(home, clusterName);
  const binaries = await findBinaries(account, account ? '/var/lib/unseen' : home);
  return {
    cluster: { directory, account, binaries, durable },
    socketDirectory: openSocketDirectory(home, account),
  };
}

/**
 * The directory of the unix socket, closed to others: inside the data directory, or, where that is too deep for a socket's
 * address or out of the server's reach, a temporary one that every start on the same data finds again.
 */
function openSocketDirectory(home: string, account: Account | undefined): string {
  const inside = join(home, 'socket');
  // sockaddr_un holds 108 bytes on Linux and 104 on macOS, the final NUL included.
  const fits = Buffer.byteLength(join(inside, `.s.PGSQL.${port}`)) < 104;
  const digest = createHash('sha256').update(home).digest('hex').slice(0, 16);
  const directory =
    fits && canReach(home, account) ? inside : join(temporaryRoot(account), `unseen-socket-${digest}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // In a temporary directory anyone may have come first.
  const found = lstatSync(directory);
  const own = process.getuid?.();
  if (!found.isDirectory() || (found.uid !== own && found.uid !== account?.uid)) {
    throw new AppError(
      'START_REFUSED',
      `${directory} belongs to someone else. Remove it, or set another DATA_DIR.`,
    );
  }
  chmodSync(directory, 0o700);
  if (account) chownSync(directory, account.uid, account.gid);
  return directory;
}

/** Logs in, and starts a server as long as there is none to log in to. */
async function connect(
  cluster: Cluster,
  address: SocketAddress,
  logFile: string,
): Promise<{ owner: pg.Client; attached: boolean }> {
  const locks = [
    join(cluster.directory, 'postmaster.pid'),
    join(address.host, `.s.PGSQL.${address.port}.lock`),
  ];
  let server: Server | undefined;
  let deadline = performance.now() + patienceMs;
  for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 1.2, 250)) {
    const attempt = await login(address).then(
      (owner) => ({ owner }),
      (error: unknown) => ({ error }),
    );
    if ('owner' in attempt) return { owner: attempt.owner, attached: server === undefined };
    if (isStartingOrStopping(attempt.error)) deadline = performance.now() + patienceMs;
    const failure = server?.failure();
    if (failure !== undefined) {
      // A racing start came first, or processes of a killed server are still on their way out.
      const passing = /lock file .* already exists|still in use/.test(failure);
      if (!passing || performance.now() > deadline) throw refused(cluster, `does not start: ${failure}`);
      server = undefined;
    }
    const pid = livePostmaster(cluster.directory);
    if (performance.now() > deadline) throw refused(cluster, `(pid ${pid ?? 'unknown'}) does not answer`);
    if (server === undefined && pid === undefined) {
      for (const lock of locks) dropStaleLock(lock, cluster.directory);
      server = launch(cluster, address, logFile);
    }
    // A login that comes too early is a line in the server's log, hence the growing pause.
    await delay(pauseMs);
  }
}

/** 57P03: the server is there and busy with its start, with crash recovery or with its end. */
function isStartingOrStopping(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '57P03';
}

async function ensureDatabase(owner: pg.Client): Promise<void> {
  const { rowCount } = await owner.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
  if (rowCount === 0) await owner.query(`CREATE DATABASE ${database}`);
}

/** Fast shutdown: sessions are ended, everything is written. Should that hang, the log is left to the next start. */
async function shutDown({ directory }: Cluster): Promise<void> {
  const pid = livePostmaster(directory);
  if (pid === undefined) return;
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    signalTo(pid, signal);
    const deadline = performance.now() + patienceMs;
    while (isRunning(pid)) {
      if (performance.now() > deadline) break;
      await delay(5);
    }
    if (!isRunning(pid)) return;
  }
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}

function refused({ directory }: Cluster, what: string): AppError {
  return new AppError(
    'START_REFUSED',
    `The embedded PostgreSQL in ${directory} ${what}. Mend that, set another DATA_DIR, or set DATABASE_URL ` +
      'to a PostgreSQL server.',
  );
}

/** What the file system refuses is for whoever chose the directory to mend. */
function asRefusal(error: unknown, dataDir: string): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error;
  return new AppError(
    'START_REFUSED',
    `The embedded PostgreSQL cannot use the data directory ${dataDir} (${error.message}). ` +
      'Make it writable, set another DATA_DIR, or set DATABASE_URL to a PostgreSQL server.',
    { cause: error },
  );
}
