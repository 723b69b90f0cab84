import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** What a run does. */
export interface BenchOptions {
  /** Goals to measure; empty: all. */
  readonly only: ReadonlySet<number>;
  /** Length of one measurement. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Turns every variant of a suite takes. */
  readonly rounds: number;
  /** Where the built server is; absolute. */
  readonly dist: string;
  /** Where servers leave their CPU profiles; absolute. */
  readonly profile: string | undefined;
}

export const help = `npm run bench -- [options]

  --only 1,2      only these goals (default: all)
  --seconds N     length of one measurement (default 3)
  --rounds N      turns each variant takes, interleaved (default 5)
  --warm-up N     seconds each server is warmed up (default 6)
  --quick         1 second, 2 rounds, 2 seconds of warm-up: does it run, not how fast
  --dist PATH     the built server (default dist)
  --profile PATH  servers write CPU profiles there (.cpuprofile)
  --help          this

The goals are ratios, so the machine does not matter; what else runs on it does. Run as root on Linux, it keeps idle cores
from sleeping where one thing is done at a time. Results: bench/results/.`;

/** Reads the command line; undefined when help was asked for. Throws on what it does not know. */
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
