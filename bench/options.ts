import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** The options of a run. */
export interface BenchOptions {
  /** The numbers of the goals to measure. Empty means all goals. */
  readonly only: ReadonlySet<number>;
  /** The length of one measurement. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** The number of turns of each variant of a suite. In a turn, the bench measures a variant once. */
  readonly rounds: number;
  /** The absolute directory of the built server. */
  readonly dist: string;
  /** The absolute directory for CPU profiles of the servers. If undefined, the bench writes no profiles. */
  readonly profile: string | undefined;
}

export const help = `npm run bench -- [options]

  --only 1,2      measure only these goals (default: all)
  --seconds N     length of one measurement (default 3)
  --rounds N      turns of each variant, interleaved (default 5)
  --warm-up N     seconds of warm-up per server (default 6)
  --quick         1 second, 2 rounds, 2 seconds of warm-up, to check that the bench runs
  --dist PATH     the built server (default dist)
  --profile PATH  directory for CPU profiles of the servers (.cpuprofile)
  --help          this

The goals are ratios, so they hold on any machine, but close other programs first. As root on Linux, the bench keeps idle
cores awake in suites that do one thing at a time. The results are in bench/results/.`;

/** Reads the command line. Returns undefined for --help. Throws for unknown options and invalid values. */
export function readOptions(args: readonly string[], root: string): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      'warm-up': { type: 'string' },
      quick: { type: 'boolean', default: false },
      dist: { type: 'string', default: resolve(root, 'dist') },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick } = values;
  return {
    only: new Set((values.only ?? []).flatMap((list) => list.split(',')).map(Number)),
    seconds: positive('--seconds', values.seconds, quick ? 1 : 3),
    rounds: positive('--rounds', values.rounds, quick ? 2 : 5),
    warmUpSeconds: positive('--warm-up', values['warm-up'], quick ? 2 : 6),
    dist: resolve(values.dist),
    profile: values.profile === undefined ? undefined : resolve(values.profile),
  };
}

function positive(option: string, given: string | undefined, byDefault: number): number {
  const value = given === undefined ? byDefault : Number(given);
  if (Number.isFinite(value) && value > 0) return value;
  throw new Error(`${option} needs a number greater than 0, not "${given}".`);
}
