import type { Reply } from './child.ts';

/** What the parent gave on the command line. */
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

/** Says that this process is ready and answers the parent from then on. Ends with the parent, whatever ends that. */
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
  // Not killed: with --cpu-prof the profile is written on the way out.
  process.on('disconnect', () => process.exit(0));
  // Ctrl-C reaches every process of the terminal; the parent decides what ends when.
  process.on('SIGINT', () => {});
  send({ ready });
}

function cpuTime(): CpuTime {
  const { user, system } = process.cpuUsage();
  return { ms: (user + system) / 1000 };
}

/** What this process holds, without what it could let go of where it runs with `--expose-gc`. */
async function memory(): Promise<Memory> {
  // Twice: what is finalised in the first is let go of in the second.
  for (let n = 0; n < 2; n += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { rssBytes: process.memoryUsage().rss };
}
