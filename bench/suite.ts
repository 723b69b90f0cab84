import { keepAwake } from './awake.ts';
import type { Child } from './child.ts';
import type { CpuTime } from './child-main.ts';
import type { Cores } from './cores.ts';
import type { ClosedLoop, ClosedLoopResult } from './load/closed-loop.ts';
import type { BenchOptions } from './options.ts';
import type { Postgres } from './postgres.ts';
import type { LoadRequest } from './requests.ts';
import { median } from './statistics.ts';

/** The figures of one turn, keyed by name. A turn measures all loads of a variant once. */
export type Sample = Readonly<Record<string, number>>;

/** The environment of the suites. */
export interface Bench {
  readonly options: BenchOptions;
  readonly cores: Cores;
  readonly postgres: Postgres;
  readonly load: Child<unknown>;
  /** The secret that signs the tokens. */
  readonly secret: string;
  /** Starts a server of `bench/servers/` on the servers' core. */
  startServer<Ready>(name: string, options: unknown): Promise<Child<Ready>>;
  /** Starts another process with clients, for loads that need a whole process. */
  startLoad(): Promise<Child<unknown>>;
  /** Resolves with the address of Kafka. The first call starts Kafka. */
  kafkaBroker(): Promise<string>;
  /** Resolves with the address of Redis. The first call starts Redis. */
  redisUrl(): Promise<string>;
}

/** A running variant. */
export interface Running {
  /** Runs one turn, which measures each load for this time. The warm-up is a turn with discarded figures. */
  turn(seconds: number): Promise<Sample>;
  stop(): Promise<void>;
}

/** A group of variants to compare. */
export interface Suite {
  readonly name: string;
  /** The number of loads in a turn. The bench measures each load for the time in the options. */
  readonly loads: number;
  /**
   * Whether the cores stay awake. True for suites that do one thing at a time, because otherwise each step
   * would wait for cores to wake up.
   */
  readonly awake?: boolean;
  readonly variants: Readonly<Record<string, (bench: Bench) => Promise<Running>>>;
}

/** Maps each variant to its samples, one sample per round. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

/** Starts the variants, warms up each variant, measures the variants in turn, and stops them. */
export async function runSuite(
  bench: Bench,
  { variants, loads, awake = false }: Suite,
  wanted: ReadonlySet<string>,
  progress: (text: string) => void,
): Promise<Samples> {
  const { seconds, rounds, warmUpSeconds } = bench.options;
  const running = new Map<string, Running>();
  const samples = new Map<string, Sample[]>();
  const letSleep = awake ? keepAwake() : undefined;
  if (awake && letSleep === undefined)
    progress('idle cores may sleep (run as root on Linux to keep them awake)');
  try {
    for (const [name, start] of Object.entries(variants)) {
      if (!wanted.has(name)) continue;
      progress(`warming up ${name}`);
      const variant = await start(bench);
      running.set(name, variant);
      samples.set(name, []);
      await variant.turn(warmUpSeconds / loads);
    }
    for (let round = 0; round < rounds; round += 1) {
      // Each round begins with another variant, so that every position in a round is taken by each variant in
      // turn.
      const order = [...running].map(
        (_, index, all) => all[(index + round) % all.length] as [string, Running],
      );
      for (const [name, variant] of order) {
        progress(`round ${round + 1} of ${rounds}: ${name}`);
        samples.get(name)?.push(await variant.turn(seconds));
      }
    }
    return samples;
  } finally {
    letSleep?.();
    for (const variant of running.values()) await variant.stop();
  }
}

/** Returns the median of each metric. */
export function mediansOf(samples: readonly Sample[]): Sample {
  const metrics = new Set(samples.flatMap((sample) => Object.keys(sample)));
  return Object.fromEntries(
    [...metrics].map((metric) => [metric, median(samples.map((one) => one[metric] ?? Number.NaN))]),
  );
}

/** The settings of a load of closed loops. */
export interface HttpLoad {
  /** The suffix of the name of each metric. */
  readonly suffix: string;
  readonly connections: number;
  readonly spin: boolean;
  readonly request: LoadRequest;
  /** The number of events in one request. */
  readonly events: number;
}

/** Starts a variant that is a server, with clients in closed loops. `after` may add figures to the sample. */
export async function underHttpLoad(
  bench: Bench,
  server: { readonly name: string; readonly options: unknown },
  loads: readonly HttpLoad[],
  after: (seconds: number) => Promise<Sample> = async () => ({}),
): Promise<Running> {
  const child = await bench.startServer<{ readonly port: number }>(server.name, server.options);
  return {
    async turn(seconds) {
      let sample: Sample = {};
      for (const { suffix, connections, spin, request, events } of loads) {
        await bench.postgres.checkpoint();
        const argument: ClosedLoop = { port: child.ready.port, request, connections, seconds, spin };
        const { result, ...usage } = await measureCpu(bench, child, () =>
          bench.load.call<ClosedLoopResult>('closedLoop', argument),
        );
        const { requests, perSecond, p50Ms, p99Ms } = result;
        const figures = {
          perSecond: perSecond * events,
          p50Ms,
          p99Ms,
          ...cpuFigures(usage, requests * events),
          ...(await after(seconds)),
        };
        sample = { ...sample, ...suffixed(figures, suffix) };
      }
      return sample;
    },
    stop: () => child.stop(),
  };
}

/** Returns the figures with a suffix on their names. */
export function suffixed(figures: Sample, suffix: string): Sample {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name + suffix, value]));
}

interface CpuUsage {
  readonly elapsedMs: number;
  readonly cpuMs: number;
  /** The time that other processes used on the server's core. */
  readonly foreignMs: number;
}

/**
 * Runs `work`. Resolves with its result and with the time that the server and other processes used on the
 * server's core.
 */
export async function measureCpu<T>(
  { cores }: Bench,
  server: Child<unknown>,
  work: () => Promise<T>,
): Promise<CpuUsage & { readonly result: T }> {
  const before = await server.call<CpuTime>('cpuTime');
  const busyBefore = cores.serverCoreBusyMs();
  const start = performance.now();
  const result = await work();
  const elapsedMs = performance.now() - start;
  const busy = (cores.serverCoreBusyMs() ?? 0) - (busyBefore ?? 0);
  const cpuMs = (await server.call<CpuTime>('cpuTime')).ms - before.ms;
  return { result, elapsedMs, cpuMs, foreignMs: Math.max(0, busy - cpuMs) };
}

/**
 * Returns the server time per event, the share of its core that the server used, and the share that other
 * processes used.
 */
export function cpuFigures({ elapsedMs, cpuMs, foreignMs }: CpuUsage, events: number): Sample {
  return {
    cpuUsPerEvent: (cpuMs * 1000) / events,
    cpuShare: cpuMs / elapsedMs,
    foreignShare: foreignMs / elapsedMs,
  };
}
