import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from '../child.ts';
import {
  bareOnKafka,
  bareOnPostgres,
  countingOnKafka,
  countingOnPostgres,
  flushesOf,
  flushSizes,
  limitEvents,
  pageViews,
  twoWorkers,
  workerOnKafka,
  workerOnPostgres,
} from '../goals.ts';
import type { Consumed, ConsumerOptions } from '../servers/consumer.ts';
import { type Bench, measureCpu, type Running, type Suite } from '../suite.ts';

/** The number of events that the variants consume at a time, which takes about a second. */
const fill = 20_000;

const patienceMs = 120_000;

type Variant = (bench: Bench) => Promise<Running>;

function consumers(
  applies: ConsumerOptions['applies'],
  log: 'postgres' | 'kafka',
  {
    count = 1,
    events = fill,
    kind = 'mixed',
    metrics,
  }: {
    readonly count?: number;
    /** The number of events that the variant consumes at a time. Defaults to `fill`. */
    readonly events?: number;
    readonly kind?: ConsumerOptions['events'];
    readonly metrics?: ConsumerOptions['metrics'];
  } = {},
): Variant {
  return async (bench) => {
    const options: ConsumerOptions = {
      dist: bench.options.dist,
      databaseUrl: await bench.postgres.createDatabase('migrated'),
      applies,
      events: kind,
      ...(metrics && { metrics }),
      ...(log === 'kafka' && {
        kafka: { broker: await bench.kafkaBroker(), namespace: `bench-${randomUUID()}.` },
      }),
    };
    const children = await Promise.all(
      Array.from({ length: count }, () => bench.startServer<object>('consumer', options)),
    );
    return {
      async turn(seconds) {
        let consumed = 0;
        let elapsedMs = 0;
        let cpuMs = 0;
        // Repeats until the warm-up or the measurement has lasted long enough.
        for (; elapsedMs < seconds * 1000; consumed += events) {
          await children[0]?.call('fill', { events });
          await bench.postgres.checkpoint();
          const usage = await measureCpu(bench, children[0] as Child<object>, () =>
            consume(children, events, applies !== 'nothing'),
          );
          elapsedMs += usage.result;
          cpuMs += usage.cpuMs;
        }
        const perSecond = (consumed / elapsedMs) * 1000;
        return { perSecond, ...(count === 1 && { cpuUsPerEvent: (cpuMs * 1000) / consumed }) };
      },
      async stop() {
        for (const child of children) await child.stop();
      },
    };
  };
}

/**
 * Lets the child processes consume `events` events that wait in the log. Resolves with the duration in ms.
 */
async function consume(
  children: readonly Child<object>[],
  events: number,
  isApplied: boolean,
): Promise<number> {
  const startedAt = Math.min(...(await Promise.all(children.map((child) => child.call<number>('open')))));
  for (;;) {
    const parts = await Promise.all(children.map((child) => child.call<Consumed>('consumed')));
    const left = isApplied ? events - parts.reduce((sum, part) => sum + part.count, 0) : 0;
    if (left <= 0 && parts.every(({ isCounted }) => isCounted)) {
      await Promise.all(children.map((child) => child.call('close')));
      return Math.max(...parts.map(({ endedAt }) => endedAt)) - startedAt;
    }
    if (Date.now() - startedAt > patienceMs)
      throw new Error(`The consumers left ${left} events unapplied, or did not count all events.`);
    await delay(20);
  }
}

/** Measures from the log to committed rows, including inboxes and badges. */
export const consumeSuite: Suite = {
  name: 'consume',
  loads: 1,
  variants: {
    [workerOnPostgres]: consumers('ours', 'postgres'),
    [bareOnPostgres]: consumers('bare', 'postgres'),
    [workerOnKafka]: consumers('ours', 'kafka'),
    [bareOnKafka]: consumers('bare', 'kafka'),
    [twoWorkers]: consumers('ours', 'kafka', { count: 2 }),
  },
};

/**
 * Enough events for several flushes. During the last flush no other work runs, so the last flush must be a
 * small part of the whole time.
 */
const manyEvents = 60_000;

/** Measures the same path with and without counting the metrics, until both have committed all events. */
export const metricsCostSuite: Suite = {
  name: 'metrics cost',
  loads: 1,
  variants: {
    [countingOnPostgres]: consumers('ours', 'postgres', { events: manyEvents, metrics: {} }),
    [workerOnPostgres]: consumers('ours', 'postgres', { events: manyEvents }),
    [countingOnKafka]: consumers('ours', 'kafka', { events: manyEvents, metrics: {} }),
    [workerOnKafka]: consumers('ours', 'kafka', { events: manyEvents }),
  },
};

/** Measures only the counting of metrics, for several numbers of events per flush. */
export const flushSizeSuite: Suite = {
  name: 'flush size',
  loads: 1,
  variants: Object.fromEntries(
    flushSizes.map((batchSize) => [
      flushesOf(batchSize),
      consumers('nothing', 'postgres', { events: manyEvents, kind: 'views', metrics: { batchSize } }),
    ]),
  ),
};

/** Compares limit events with page views, from the log to committed rows. */
export const limitEventsSuite: Suite = {
  name: 'limit events',
  loads: 1,
  variants: {
    [limitEvents]: consumers('ours', 'postgres', { kind: 'limits' }),
    [pageViews]: consumers('ours', 'postgres', { kind: 'views' }),
  },
};
