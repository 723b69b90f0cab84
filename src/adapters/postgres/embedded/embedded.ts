import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { AppError } from '../../../domain/error.ts';
import { serverAccount } from './account.ts';
import { findBinaries } from './binaries.ts';
import { type Cluster, ensureCluster, launch, type Server } from './cluster.ts';
import { claim, login, type SocketAddress } from './owner.ts';
import { expectSupportedPlatform } from './platform.ts';
import { dropStaleLock, isRunning, livePostmaster } from './postmaster.ts';
import { type SocketDirectory, socketDirectory } from './socket.ts';
import { createTemporaryDirectory } from './temporary.ts';

/** The location of the data, and the function to call if the server is lost. */
export type EmbeddedPostgresOptions = (
  | { readonly ephemeral?: false; readonly dataDir: string }
  | { readonly ephemeral: true; readonly dataDir?: string }
) & {
  /**
   * Called once, with the reason, if the server ends or if this process loses the ownership of the server.
   * The server is not restarted. The next call of `startEmbeddedPostgres` starts a server with the same data
   * (unless it is ephemeral) at the same address.
   */
  readonly onLost?: (reason: string) => void;
};

/** A running PostgreSQL that belongs to this process. */
export interface EmbeddedPostgres {
  /**
   * The address for clients. Clients use neither a password nor TCP. `host` is the directory of the unix
   * socket.
   */
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
  };
  /**
   * Whether this process took over a server that was already running, because the process that had started
   * the server was killed.
   */
  readonly attached: boolean;
  /**
   * Shuts the server down, which rolls back open transactions. Resolves when the server has ended and, if it
   * is ephemeral, its directory is removed. Repeated calls return the same promise. After `onLost`, `stop`
   * does not end a server that is not ephemeral, because the server may have a new owner.
   */
  stop(): Promise<void>;
}

const port = 5432;
const database = 'unseen';
const clusterName = 'postgres';
const socketName = `.s.PGSQL.${port}`;

/**
 * The maximum time, in ms, that the server may take to answer a start or to shut down. After this time a
 * start fails, and a shutdown sends a stronger signal.
 */
const patienceMs = 30_000;

/**
 * Starts the PostgreSQL of the npm package, or takes over the server that a killed process left running.
 * Resolves when the database `unseen` exists and a login succeeded.
 * `dataDir` contains the cluster, the socket and the log. Only one process at a time may own it. With
 * `ephemeral` everything is in a temporary directory. The directory is removed when the process ends, even if
 * the process is killed, but its data is lost if the machine crashes.
 * Rejects with START_REFUSED if another process owns the directory, if the directory cannot be used, or if
 * this platform has no embedded PostgreSQL. The message says what to do.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  expectSupportedPlatform();
  if (options.ephemeral !== true) {
    const dataDir = resolve(options.dataDir);
    try {
      return await start({ dataDir, durable: true, end: shutDown, onLost: options.onLost });
    } catch (error) {
      throw toStartError(error, dataDir);
    }
  }
  const temporary = createTemporaryDirectory(serverAccount(), join(clusterName, 'postmaster.pid'));
  const dataDir = temporary.directory;
  try {
    return await start({ dataDir, durable: false, end: temporary.remove, onLost: options.onLost });
  } catch (error) {
    await temporary.remove();
    throw toStartError(error, dataDir);
  }
}

/**
 * Returns the address of the server that runs on a data directory. Undefined if no server runs. The server
 * still belongs to the process that started it.
 */
export function findEmbeddedPostgres(dataDir: string): EmbeddedPostgres['connection'] | undefined {
  if (!existsSync(dataDir)) return undefined;
  const home = realpathSync(dataDir);
  if (livePostmaster(join(home, clusterName)) === undefined) return undefined;
  const { path: host } = socketDirectory(home, serverAccount(join(dataDir, clusterName)), socketName);
  return { host, port, user: 'postgres', database };
}

interface Plan {
  readonly dataDir: string;
  readonly durable: boolean;
  end(cluster: Cluster): Promise<void>;
  readonly onLost: ((reason: string) => void) | undefined;
}

async function start({ dataDir, durable, end, onLost }: Plan): Promise<EmbeddedPostgres> {
  const { cluster, socket } = await prepare(dataDir, durable);
  const address = { host: socket.path, port, user: 'postgres' };
  const { owner, attached } = await connect(cluster, socket, address, join(dataDir, 'postgres.log'));
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
  async function stopOnce(): Promise<void> {
    if (lost && durable) return;
    // This process keeps its claim until the server has ended. So no other process takes over a server that
    // is shutting down.
    await end(cluster);
    socket.tidy();
    await owner.end();
  }
  return {
    connection: { ...address, database },
    attached,
    stop() {
      stopped ??= stopOnce();
      return stopped;
    },
  };
}

/** Prepares everything that the server needs before it can start. */
async function prepare(
  dataDir: string,
  durable: boolean,
): Promise<{ cluster: Cluster; socket: SocketDirectory }> {
  const account = serverAccount(join(dataDir, clusterName));
  mkdirSync(dirname(dataDir), { recursive: true });
  // If root creates the directory, root remains its owner. Other accounts may pass through the directory,
  // because they cannot read its contents. mkdir itself sets the mode, so the directory never has a wider
  // mode.
  mkdirSync(dataDir, { recursive: true, mode: account ? 0o755 : 0o700 });
  const home = realpathSync(dataDir);
  const binaries = await findBinaries(account, account ? '/var/lib/unseen' : home);
  const cluster = { directory: join(home, clusterName), account, binaries, durable };
  await ensureCluster(cluster);
  return { cluster, socket: socketDirectory(home, account, socketName) };
}

/** Logs in to the running server. If no server runs, starts one first. */
async function connect(
  cluster: Cluster,
  socket: SocketDirectory,
  address: SocketAddress,
  logFile: string,
): Promise<{ owner: pg.Client; attached: boolean }> {
  const locks = [join(cluster.directory, 'postmaster.pid'), join(socket.path, `${socketName}.lock`)];
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
      // These errors are temporary. Another process started a server first, the processes of a killed server
      // are still exiting, or the previous owner is removing its files.
      const isTemporary = /lock file .* already exists|still in use|create lock file .* No such file/.test(
        failure,
      );
      if (!isTemporary || performance.now() > deadline) throw refused(cluster, `does not start: ${failure}`);
      server = undefined;
    }
    const pid = livePostmaster(cluster.directory);
    if (performance.now() > deadline) throw refused(cluster, `(pid ${pid ?? 'unknown'}) does not answer`);
    if (server === undefined && pid === undefined) {
      socket.open();
      for (const lock of locks) dropStaleLock(lock, cluster.directory);
      server = launch(cluster, address, logFile);
    }
    // A login before the server is ready adds a line to the server's log, so the pause grows.
    await delay(pauseMs);
  }
}

/** 57P03 means that the server is starting, recovering from a crash or shutting down. */
function isStartingOrStopping(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '57P03';
}

async function ensureDatabase(owner: pg.Client): Promise<void> {
  const { rowCount } = await owner.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
  if (rowCount === 0) await owner.query(`CREATE DATABASE ${database}`);
}

/**
 * Requests a fast shutdown: the server ends the sessions and writes all data to disk. If the server does not
 * end in time, it is killed. The next start then recovers the data from the write-ahead log.
 */
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
    // The server process has already ended.
  }
}

function refused({ directory }: Cluster, what: string): AppError {
  return new AppError(
    'START_REFUSED',
    `The embedded PostgreSQL in ${directory} ${what}. Fix the cause, set another DATA_DIR, or set DATABASE_URL ` +
      'to a PostgreSQL server.',
  );
}

/**
 * Turns an error of the file system into a message for the operator, who can fix it. Returns other errors
 * unchanged.
 */
function toStartError(error: unknown, dataDir: string): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error;
  if ('code' in error && error.code === 'ENOSPC') {
    const message = `The disk of the data directory ${dataDir} is full (${error.message}). Free space on it, or set DATA_DIR to a directory on another disk.`;
    return new AppError('START_REFUSED', message, { cause: error });
  }
  return new AppError(
    'START_REFUSED',
    `The embedded PostgreSQL cannot use the data directory ${dataDir} (${error.message}). ` +
      'Make it writable, set another DATA_DIR, or set DATABASE_URL to a PostgreSQL server.',
    { cause: error },
  );
}
