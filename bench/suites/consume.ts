import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from '../child.ts';
import {
  bareOnKafka,
  bareOnPostgres,
  limitEvents,
  pageViews,
  twoWorkers,
  workerOnKafka,
  workerOnPostgres,
} from '../goals.ts';
import type { Consumed, ConsumerOptions } from '../servers/consumer.ts';
import type { Bench, Running, Suite } from '../suite.ts';

/** At a time; about a second's work. */
const events = 20_000;

const patienceMs = 120_000;

type Variant = (bench: Bench) => Promise<Running>;

function consumers(
  applies: ConsumerOptions['applies'],
  log: 'postgres' | 'kafka',
  { count = 1, kind = 'mixed' }: { readonly count?: number; readonly kind?: ConsumerOptions['events'] } = {},
): Variant {
  return async (bench) => {
    const options: ConsumerOptions = {
      dist: bench.options.dist,
      databaseUrl: await bench.postgres.createDatabase('migrated'),
      applies,
      events: kind,
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
        // Until the code is warm, or as long as a measurement takes.
        for (; elapsedMs < seconds * 1000; consumed += events) {
          await children[0]?.call('fill', { events });
          await bench.postgres.checkpoint();
          elapsedMs += await consume(children);
        }
        return { perSecond: (consumed / elapsedMs) * 1000 };
      },
      async stop() {
        for (const child of children) await child.stop();
      },
    };
  };
}

/** Lets them consume what waits in the log; how long it took, in ms. */
async function consume(children: readonly Child<object>[]): Promise<number> {
  const startedAt = Date.now();
  await Promise.all(children.map((child) => child.call('open')));
  for (;;) {
    const parts = await Promise.all(children.map((child) => child.call<Consumed>('consumed')));
    const done = parts.reduce((sum, part) => sum + part.count, 0);
    if (done >= events) {
      await Promise.all(children.map((child) => child.call('close')));
      return Math.max(...parts.map(({ endedAt }) => endedAt)) - startedAt;
    }
    if (Date.now() - startedAt > patienceMs) throw new Error(`${events - done} events were not consumed.`);
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

/** Events of limits beside page views: from the log to committed rows. */
export const limitEventsSuite: Suite = {
  name: 'limit events',
  loads: 1,
  variants: {
    [limitEvents]: consumers('ours', 'postgres', { kind: 'limits' }),
    [pageViews]: consumers('ours', 'postgres', { kind: 'views' }),
  },
};
