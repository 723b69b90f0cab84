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

/** At a time; about a second's work. */
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
    /** At a time. */
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
        // Until the code is warm, or as long as a measurement takes.
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

/** Lets them consume what waits in the log, that many events; how long it took, in ms. */
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
      throw new Error(`${left} events were not consumed, or not counted.`);
    await delay(20);
  }
}

/** From the log to committed rows, inboxes and badges included. */
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

/** Enough for several flushes, so that the last one, which nobody works beside, weighs little. */
const manyEvents = 60_000;

/** The same path with and without the metrics, which are counted beside it: until both have committed everything. */
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

/** Counting alone, by how many events are written at once. */
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

/** Events of limits beside page views: from the log to committed rows. */
export const limitEventsSuite: Suite = {
  name: 'limit events',
  loads: 1,
  variants: {
    [limitEvents]: consumers('ours', 'postgres', { kind: 'limits' }),
    [pageViews]: consumers('ours', 'postgres', { kind: 'views' }),
  },
};
