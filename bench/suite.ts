import { keepAwake } from './awake.ts';
import type { Child } from './child.ts';
import type { CpuTime } from './child-main.ts';
import type { Cores } from './cores.ts';
import type { ClosedLoop, ClosedLoopResult } from './load/closed-loop.ts';
import type { BenchOptions } from './options.ts';
import type { Postgres } from './postgres.ts';
import type { LoadRequest } from './requests.ts';
import { median } from './statistics.ts';

/** Figures of one turn, by name. */
export type Sample = Readonly<Record<string, number>>;

/** What suites work with. */
export interface Bench {
  readonly options: BenchOptions;
  readonly cores: Cores;
  readonly postgres: Postgres;
  readonly load: Child<unknown>;
  /** Tokens are signed with it. */
  readonly secret: string;
  /** Starts a server of `bench/servers/` on the servers' core. */
  startServer<Ready>(name: string, options: unknown): Promise<Child<Ready>>;
  /** More clients, in a process of their own: for loads that fill one. */
  startLoad(): Promise<Child<unknown>>;
  /** Where Kafka is; started when first asked for. */
  kafkaBroker(): Promise<string>;
  /** Where Redis is; started when first asked for. */
  redisUrl(): Promise<string>;
}

/** A variant that runs. */
export interface Running {
  /** One turn: measures each load for that long. Also what warms up, with the figures thrown away. */
  turn(seconds: number): Promise<Sample>;
  stop(): Promise<void>;
}

/** Variants that are compared with each other. */
export interface Suite {
  readonly name: string;
  /** Loads in a turn: each is measured as long as the options say. */
  readonly loads: number;
  /** Whether no core goes to sleep: for suites that do one thing at a time, so that each waits for cores to wake up. */
  readonly awake?: boolean;
  readonly variants: Readonly<Record<string, (bench: Bench) => Promise<Running>>>;
}

/** One sample per round, by variant. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

/** Starts the variants, warms each up, lets them take turns and stops them. */
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
  if (awake && letSleep === undefined) progress('cores may go to sleep (as root on Linux they would not)');
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
      // Each begins in turn, so that none is always behind the same other.
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

/** Median per metric. */
export function mediansOf(samples: readonly Sample[]): Sample {
  const metrics = new Set(samples.flatMap((sample) => Object.keys(sample)));
  return Object.fromEntries(
    [...metrics].map((metric) => [metric, median(samples.map((one) => one[metric] ?? Number.NaN))]),
  );
}

/** What a load of closed loops is made of. */
export interface HttpLoad {
  /** Behind the name of each metric. */
  readonly suffix: string;
  readonly connections: number;
  readonly spin: boolean;
  readonly request: LoadRequest;
  /** Events in one request. */
  readonly events: number;
}

/** A variant that is a server under closed loops. `after` may add to the sample. */
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

/** Figures with something behind their names. */
export function suffixed(figures: Sample, suffix: string): Sample {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name + suffix, value]));
}

interface CpuUsage {
  readonly elapsedMs: number;
  readonly cpuMs: number;
  /** What else ran on the server's core. */
  readonly foreignMs: number;
}

/** Does something and tells what the server, and others on its core, spent meanwhile. */
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

/** Server time per event, share of its core the server used, and share it had to leave to others. */
export function cpuFigures({ elapsedMs, cpuMs, foreignMs }: CpuUsage, events: number): Sample {
  return {
    cpuUsPerEvent: (cpuMs * 1000) / events,
    cpuShare: cpuMs / elapsedMs,
    foreignShare: foreignMs / elapsedMs,
  };
}
