import { execFileSync } from 'node:child_process';
import { linkSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The pid of the PostgreSQL that serves `cluster`, undefined when none does. */
export function livePostmaster(cluster: string): number | undefined {
  const pid = pidIn(join(cluster, 'postmaster.pid'));
  return pid !== undefined && isRunning(pid) && !isForeign(pid, cluster) ? pid : undefined;
}

/**
 * Removes a lock file that PostgreSQL would wrongly respect: the pid in it is a zombie, which nothing reaps
 * where there is no init, or now belongs to another program, or was never written. What else a dead server
 * left, PostgreSQL removes.
 */
export function dropStaleLock(file: string, cluster: string): void {
  const pid = pidIn(file);
  if (pid === undefined ? !isAbandoned(file) : !exists(pid) || (isRunning(pid) && !isForeign(pid, cluster)))
    return;
  // Taken away before it is removed: should a racing start have renewed the lock since, its file goes back.
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (pidIn(aside) !== pid) linkSync(aside, file);
  } catch {
    // Gone or renewed in the meantime, which is as good.
  }
  rmSync(aside, { force: true });
}

/** Whether the process exists and is more than a zombie waiting to be reaped. */
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

/** Killed between creating the lock and writing it; a server that is still at it takes no time. */
function isAbandoned(file: string): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > 2000;
}

/**
 * A process of another user does not count, nor does it for PostgreSQL: the server's account is ours, or we
 * are root.
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
    // The name in parentheses may hold anything, parentheses included; the state is the first field behind
    // it.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').match(/.*\) (.)/s)?.[1];
  } catch {
    return undefined;
  }
}

/**
 * Whether the process is known to be something else. Where nothing can be learned it is taken for the server.
 */
function isForeign(pid: number, cluster: string): boolean {
  if (process.platform !== 'linux') {
    const command = ps(pid, 'comm');
    return command !== undefined && !command.endsWith('postgres');
  }
  try {
    // A server's working directory is its cluster.
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
