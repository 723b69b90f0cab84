import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/**
 * The assignment of processes to cores. The measured server has its own core. The load, PostgreSQL and all
 * other processes share the other cores.
 */
export interface Cores {
  /** The assignment as text for the report. */
  readonly description: string;
  /** The command that runs a command on the servers' core. */
  readonly onServerCore: readonly string[];
  /**
   * The time that all processes together have used the servers' core since the machine started, in ms.
   * Undefined if unknown.
   */
  serverCoreBusyMs(): number | undefined;
}

/**
 * Reserves core 0 for the servers. Moves this process, and every process that it starts later, to the other
 * cores. Moves no process if the machine has no `taskset` or only one core.
 */
export function reserveServerCore(): Cores {
  const last = availableParallelism() - 1;
  try {
    if (last < 1) throw new Error('one core');
    const others = last === 1 ? '1' : `1-${last}`;
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', others, String(process.pid)], {
      stdio: 'ignore',
    });
    return {
      description: `server on core 0, load and Postgres on ${others}`,
      onServerCore: ['taskset', '--cpu-list', '0'],
      serverCoreBusyMs: () => busyMs(0),
    };
  } catch {
    return {
      description: 'no process pinned to a core',
      onServerCore: [],
      serverCoreBusyMs: () => undefined,
    };
  }
}

/**
 * Reads /proc/stat (proc(5)): jiffies of 10 ms spent as user, nice, system, idle, iowait, irq, softirq,
 * steal.
 */
function busyMs(core: number): number | undefined {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'utf8'))?.[1];
  if (line === undefined) return undefined;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .trim()
    .split(/\s+/)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * 10;
}
