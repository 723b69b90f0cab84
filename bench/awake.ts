import { spawn } from 'node:child_process';
import { cpus } from 'node:os';

// Ends with the process that started it, however that ends.
const spinning =
  'while kill -0 $PPID; do i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done; done 2> /dev/null';

/**
 * Keeps every core awake until the function it returns is called, where there is `taskset`: a request to a server that asks
 * Postgres waits four times for a core to wake up, the statement alone twice, and on a virtual machine each time takes as long
 * as a small query. What spins has no priority at all (`SCHED_IDLE`, sched(7)) and gives way to whatever else wants to run.
 */
export function keepAwake(): () => void {
  const children = cpus().map((_, core) =>
    spawn(
      'taskset',
      ['--cpu-list', String(core), 'nice', '-n', '19', 'chrt', '--idle', '0', 'sh', '-c', spinning],
      { stdio: 'ignore' },
    ).on('error', () => {}),
  );
  return () => {
    for (const child of children) child.kill();
  };
}
