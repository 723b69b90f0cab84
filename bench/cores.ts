import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Who runs where. Servers have a core of their own; load, Postgres and whoever asks share the others. */
export interface Cores {
  /** For people. */
  readonly description: string;
  /** The command that runs a command on the servers' core. */
  readonly onServerCore: readonly string[];
  /** How long the servers' core was busy since the machine started, by whatever; undefined where it is not known. */
  serverCoreBusyMs(): number | undefined;
}

/**
 * Leaves core 0 to the servers: this process, and with it everything it starts from now on, moves to the others. Without
 * `taskset` or a second core nobody is pinned.
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
    return { description: 'nobody pinned to a core', onServerCore: [], serverCoreBusyMs: () => undefined };
  }
}

/** From /proc/stat (proc(5)): jiffies of 10 ms spent as user, nice, system, idle, iowait, irq, softirq, steal. */
function busyMs(core: number): number | undefined {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'utf8'))?.[1];
  if (line === undefined) return undefined;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .trim()
    .split(/\s+/)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * 10;
}
