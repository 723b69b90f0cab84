import { execFileSync } from 'node:child_process';
import { linkSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The pid of the PostgreSQL server that runs on `cluster`. Undefined if no server runs. */
export function livePostmaster(cluster: string): number | undefined {
  const pid = pidIn(join(cluster, 'postmaster.pid'));
  return pid !== undefined && isRunning(pid) && !isForeign(pid, cluster) ? pid : undefined;
}

/**
 * Removes a lock file of a dead server that PostgreSQL would take for the lock of a running server. There are
 * three cases: the pid in the file is a zombie (in a container without init no process reaps zombies), the
 * pid now belongs to another program, or the file has no pid. PostgreSQL itself removes the other files of a
 * dead server.
 */
export function dropStaleLock(file: string, cluster: string): void {
  const pid = pidIn(file);
  if (pid === undefined ? !isAbandoned(file) : !exists(pid) || (isRunning(pid) && !isForeign(pid, cluster)))
    return;
  // The file is renamed before it is removed. If another start has replaced the lock file in the meantime,
  // the renamed file is the new lock and gets its name back.
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (pidIn(aside) !== pid) linkSync(aside, file);
  } catch {
    // The lock file was already removed or replaced.
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
 * Whether the server was killed after it created the lock file and before it wrote its pid. A running server
 * writes the pid immediately, so an older file without a pid belongs to a dead server.
 */
function isAbandoned(file: string): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > 2000;
}

/**
 * Whether the process exists and this process may signal it. PostgreSQL uses the same rule. A process that
 * cannot be signalled is not the server, because the server runs as our account, or we are root.
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

/** Whether the process is certainly another program than the server. False if this cannot be determined. */
function isForeign(pid: number, cluster: string): boolean {
  if (process.platform !== 'linux') {
    const command = ps(pid, 'comm');
    return command !== undefined && !command.endsWith('postgres');
  }
  try {
    // PostgreSQL uses its cluster as its working directory.
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
