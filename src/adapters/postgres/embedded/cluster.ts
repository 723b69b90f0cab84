import { type ChildProcess, spawn } from 'node:child_process';
import {
  chownSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { AppError } from '../../../domain/error.ts';
import { type Account, canReach } from './account.ts';
import type { Binaries } from './binaries.ts';
import { isRunning } from './postmaster.ts';

/** A database cluster on disk, with the account and the programs to run it. */
export interface Cluster {
  /** The real path of PostgreSQL's data directory. */
  readonly directory: string;
  readonly account: Account | undefined;
  readonly binaries: Binaries;
  /**
   * Whether the data must survive a crash of the machine. If false, all settings that protect writes are off.
   */
  readonly durable: boolean;
}

/** A server that this process started. */
export interface Server {
  /** The log output of the server if it has ended. Undefined while the server runs. */
  failure(): string | undefined;
}

/**
 * Creates the cluster if there is none. initdb writes to a draft directory, which is renamed when it is
 * complete. So a killed start leaves no partial cluster. If two processes create the cluster at the same
 * time, both use the draft that is renamed first. Rejects with START_REFUSED if initdb fails or if the
 * cluster has another major version.
 */
export async function ensureCluster(cluster: Cluster): Promise<void> {
  const { directory, account, binaries, durable } = cluster;
  if (!existsSync(directory)) {
    removeAbandonedDrafts(directory);
    const draft = mkdtempSync(`${directory}.new-${process.pid}-`);
    try {
      if (account) chownSync(draft, account.uid, account.gid);
      await initialize({ ...cluster, directory: draft }, durable ? [] : ['--no-sync']);
      renameSync(draft, directory);
    } catch (error) {
      rmSync(draft, { recursive: true, force: true });
      if (!existsSync(directory)) throw error;
    }
  }
  const version = readFileSync(join(directory, 'PG_VERSION'), 'utf8').trim();
  if (version !== binaries.majorVersion) {
    throw new AppError(
      'START_REFUSED',
      `The data in ${directory} was written by PostgreSQL ${version}, but the embedded version is ${binaries.majorVersion}. ` +
        `Move the data with pg_dump and pg_restore, or run PostgreSQL ${version} on it and set DATABASE_URL.`,
    );
  }
}

async function initialize(cluster: Cluster, options: readonly string[]): Promise<void> {
  const child = run(cluster, cluster.binaries.initdb, 'pipe', [
    ...['--username=postgres', '--auth=trust', '--no-instructions'],
    ...['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    ...options,
  ]);
  const closed = new Promise<number | null>((done, fail) => child.once('close', done).once('error', fail));
  const output = child.stderr === null ? '' : text(child.stderr);
  child.stdout?.resume();
  const code = await closed.catch((cause: unknown) => {
    throw cannotRun(cluster, cause);
  });
  if (code !== 0) {
    throw new AppError(
      'START_REFUSED',
      `PostgreSQL could not create a database in ${dirname(cluster.directory)}: ${(await output).trim()}. ` +
        'Fix the cause, set another DATA_DIR, or set DATABASE_URL to a PostgreSQL server.',
    );
  }
}

/**
 * Removes the drafts of dead processes. No other code removes them. The name of a draft contains the pid of
 * its process.
 */
function removeAbandonedDrafts(directory: string): void {
  const prefix = `${basename(directory)}.new-`;
  for (const name of readdirSync(dirname(directory))) {
    if (!name.startsWith(prefix) || isRunning(Number.parseInt(name.slice(prefix.length), 10))) continue;
    // A child of the dead process may still write to the draft for a moment.
    const retries = { maxRetries: 10, retryDelay: 50 };
    rmSync(join(dirname(directory), name), { recursive: true, force: true, ...retries });
  }
}

/**
 * Settings for a server that shares a small machine with the application. All other settings are PostgreSQL's
 * defaults.
 */
const settings = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  max_connections: '60',
  shared_buffers: '128MB',
  max_wal_size: '512MB',
  // An embedded server needs no WAL for a standby, because a standby cannot connect without TCP.
  wal_level: 'minimal',
  max_wal_senders: '0',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // The log contains events of the server, such as starts, but not the errors of statements. The application
  // itself reports these errors, and their messages may contain personal data. So the log grows by at most a
  // few lines a day.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
  log_autovacuum_min_duration: '-1',
};

const unsafeSettings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/**
 * Starts a server on the cluster. The server continues to run when this process ends. The server is ready
 * only when it accepts a login.
 */
export function launch(cluster: Cluster, socket: { host: string; port: number }, logFile: string): Server {
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > 1_000_000)
    renameSync(logFile, `${logFile}.1`);
  const log = openSync(logFile, 'a', 0o600);
  try {
    const sizeBefore = fstatSync(log).size;
    const options = { ...settings, ...(cluster.durable ? {} : unsafeSettings) };
    const child = run(cluster, cluster.binaries.postgres, log, [
      ...['-k', socket.host, '-p', String(socket.port)],
      ...Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]);
    let problem: AppError | undefined;
    child.once('error', (cause) => {
      problem = cannotRun(cluster, cause);
    });
    child.unref();
    return {
      failure() {
        const ended = child.signalCode ?? child.exitCode;
        if (problem || ended === null) return problem?.message;
        return readFileSync(logFile).subarray(sizeBefore).toString().trim() || `It ended with ${ended}.`;
      },
    };
  } finally {
    closeSync(log);
  }
}

/**
 * Runs initdb or postgres with the account of the cluster. The program runs in its own session, so Ctrl-C in
 * the terminal does not reach it.
 */
function run(
  { directory, account }: Cluster,
  program: string,
  output: 'pipe' | number,
  options: readonly string[],
): ChildProcess {
  // If the account may not pass through a parent directory, for example /root, the program inherits a handle
  // of the opened directory.
  const handle = canReach(directory, account)
    ? undefined
    : openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return spawn(program, ['-D', handle === undefined ? directory : '/proc/self/fd/3', ...options], {
      ...account,
      cwd: directory,
      detached: true,
      // The program does not get the environment of this process, because variables such as PGDATA or the
      // locale would change its behaviour. With TZ set, initdb does not search for the time zone of the
      // machine.
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', output, output, ...(handle === undefined ? [] : [handle])],
    });
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

function cannotRun({ binaries }: Cluster, cause: unknown): AppError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new AppError(
    'START_REFUSED',
    `The embedded PostgreSQL in ${dirname(binaries.postgres)} cannot run here (${reason}). ` +
      'Set DATABASE_URL to a PostgreSQL server.',
    { cause },
  );
}
