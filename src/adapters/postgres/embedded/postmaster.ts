import { execFileSync } from 'node:child_process';
import { linkSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The pid of the PostgreSQL that serves `cluster`. Undefined if none does. */
export function livePostmaster(cluster: string): number | undefined {
  const pid = pidIn(join(cluster, 'postmaster.pid'));
  return pid !== undefined && isRunning(pid) && !isForeign(pid, cluster) ? pid : undefined;
}

/**
 * Removes a lock file that PostgreSQL would wrongly respect. The pid in it is a zombie, which nothing reaps
 * if there is no init, or belongs to another program now, or was never written. PostgreSQL itself removes the
 * other remains of a dead server.
 */
export function dropStaleLock(file: string, cluster: string): void {
  const pid = pidIn(file);
  if (pid === undefined ? !isAbandoned(file) : !exists(pid) || (isRunning(pid) && !isForeign(pid, cluster)))
    return;
  // The file is renamed before it is removed. If a racing start has renewed the lock meanwhile, its file is
  // put back.
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (pidIn(aside) !== pid) linkSync(aside, file);
  } catch {
    // The lock is already gone or renewed, which is fine.
  }
  rmSync(aside, { force: true });
}

/** Whether the process exists and is not a zombie that waits to be reaped. */
export function isRunning(pid: number): boolean {
  return exists(pid) && stateOf(pid) !== 'Z';
}

function pidIn(file: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether the server was killed after it created the lock and before it wrote to it. A running server takes
 * no time between the two.
 */
function isAbandoned(file: string): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > 2000;
}

/**
 * Whether the process exists and this process may signal it. A process of another user does not count, as for
 * PostgreSQL itself: the server runs as our account, or we are root.
 */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function stateOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return ps(pid, 'stat')?.charAt(0);
  try {
    // The name in parentheses may contain anything, even parentheses. The state is the first field after the
    // name.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').match(/.*\) (.)/s)?.[1];
  } catch {
    return undefined;
  }
}

/**
 * Whether the process is known to be another program. If nothing is known about it, it counts as the server.
 */
function isForeign(pid: number, cluster: string): boolean {
  if (process.platform !== 'linux') {
    const command = ps(pid, 'comm');
    return command !== undefined && !command.endsWith('postgres');
  }
  try {
    // The working directory of a server is its cluster.
    return readlinkSync(`/proc/${pid}/cwd`) !== realpathSync(cluster);
  } catch {
    return false;
  }
}

function ps(pid: number, column: string): string | undefined {
  try {
    return execFileSync('ps', ['-o', `${column}=`, '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}
