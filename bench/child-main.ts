import type { Reply } from './child.ts';

/** Returns the options that the parent passed on the command line. */
export function readArgument<Options>(): Options {
  return JSON.parse(process.argv[2] ?? '{}') as Options;
}

/** CPU time of this process since it started. */
export interface CpuTime {
  readonly ms: number;
}

export interface Memory {
  readonly rssBytes: number;
}

/**
 * Reports to the parent that this process is ready, and then answers the parent's calls. The process exits
 * when the parent ends for any reason.
 */
export function answerParent(
  ready: object,
  answers: Readonly<Record<string, (argument: never) => unknown>> = {},
): void {
  const send = (reply: Reply) => process.send?.(reply);
  const all: typeof answers = { cpuTime, memory, ...answers };
  process.on('message', async ({ id, name, argument }: { id: number; name: string; argument: never }) => {
    try {
      send({ id, value: await all[name]?.(argument) });
    } catch (error) {
      send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  // The process must exit normally and not by a signal, because --cpu-prof writes the profile at a normal exit.
  process.on('disconnect', () => process.exit(0));
  // Ctrl-C reaches every process of the terminal, but the parent decides when its children end.
  process.on('SIGINT', () => {});
  send({ ready });
}

function cpuTime(): CpuTime {
  const { user, system } = process.cpuUsage();
  return { ms: (user + system) / 1000 };
}

/** Returns the memory of this process. With `--expose-gc` the garbage is collected first. */
async function memory(): Promise<Memory> {
  // The second collection frees the objects that the first collection finalises.
  for (let n = 0; n < 2; n += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { rssBytes: process.memoryUsage().rss };
}
